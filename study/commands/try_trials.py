"""`evenkeel plan --try`: a few trials on a small budget, in this process, so that a mistake costs no cluster time."""

import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from evenkeel.reports.text.wording import level
from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.study import Entry, StudyConfig
from evenkeel.study.plan.planner import Planner
from evenkeel.study.run.worker import check_metric, prepare_worker
from evenkeel.study.run.worker_context import WorkerContext, make_context
from evenkeel.trainables import TrainableError, Trial, trainable
from evenkeel.trainables.result import Result

BUDGET = "epochs"
"""The setting that is 1 in a try, where a trainable has it and nothing else is said."""
NUM_SCORES_SHOWN = 4
OURS = Path(__file__).parents[2]


def try_trials(config: StudyConfig, planner: Planner, overrides: list[str], storage: str | None) -> str:
    """Of every loss or method its default and another setting, under the first and the last seed: what they gave.

    `overrides` are settings of the trainable for the try, `key=value`. Raises UserError for the first mistake.
    """
    changes = _changes(config, overrides)
    context = make_context(config, str(Storage.resolve(config, storage)))
    try:
        small = trainable(context.trainable | changes)
    except ValueError as error:
        raise UserError(f"--try: {error}") from error
    context.trainable.update(small.model_dump(mode="json"))
    named = f" with {', '.join(f'{key} {value}' for key, value in changes.items())}" if changes else ""
    lines = [line for entry in config.entries for line in _tried(config, planner, entry, context)]
    return f"\ntried{named}; nothing of it is recorded:\n" + "".join(f"  {line}\n" for line in lines)


def _changes(config: StudyConfig, overrides: list[str]) -> dict[str, Any]:
    if not overrides:
        return {BUDGET: 1} if BUDGET in config.trainable.model_dump() and BUDGET not in config.spaces else {}
    changes = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"--try {override!r}: must be key=value, for example --try epochs=1")
        changes[key] = yaml.safe_load(text)
    return changes


def _tried(config: StudyConfig, planner: Planner, entry: Entry, context: WorkerContext) -> Iterator[str]:
    for trial in _trials(config, planner, entry):
        started = time.perf_counter()
        result = _run(trial, context)
        took_s = time.perf_counter() - started
        names = [config.metric, *(name for name in config.declared_columns if name != config.metric)]
        scores = {name: result.metrics.get(f"test_{name}") for name in names}
        scored = [f"{name} {value:.4g}" for name, value in scores.items() if value is not None][:NUM_SCORES_SHOWN]
        settings = ", ".join(f"{key} {level(value)}" for key, value in trial.setting.items()) or "the default"
        outcome = f"{result.state}, {', '.join(scored)} on test, {took_s:.1f} s"
        yield f"{entry.label}, seed {trial.seed}, {settings}: {outcome}"


def _trials(config: StudyConfig, planner: Planner, entry: Entry) -> list[Trial]:
    """The default under the first seed, and the end of every range under the last one."""
    ends = {name: parameter.at(1.0) for name, parameter in config.axes(entry).parameters.items()}
    first = planner.trial(entry, {}, config.all_seeds[0], "sweep")
    last = planner.trial(entry, ends, config.all_seeds[-1], "sobol")
    return [first, last] if ends or len(config.all_seeds) > 1 else [first]


def _run(trial: Trial, context: WorkerContext) -> Result:
    try:
        worker, prepared = prepare_worker(context)
        with TemporaryDirectory() as place:
            ((_, result),) = worker.run([trial], prepared, Path(place))
        check_metric(context, result)
    except TrainableError as error:
        raise UserError(str(error)) from error
    except Exception as error:
        message = " ".join(str(error).split())
        raise UserError(
            f"{trial.label}, seed {trial.seed}: {type(error).__name__}: {message} ({_place(error)})"
        ) from error
    return result


def _place(error: Exception) -> str:
    """File and line of the user's code that an error came through last."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if OURS not in Path(frame.filename).parents and "site-packages" not in frame.filename
    ]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
