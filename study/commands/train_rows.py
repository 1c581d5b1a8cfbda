"""`evenkeel doctor STUDY --train-rows`: what another training set moves alike for all seeds, on the study's own data.

The train rows are dealt into disjoint parts, which stand for other training sets of their size. Defaults and the ends
of what the sweep moves are trained on bootstraps of each part; nothing is recorded.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.progress import track

from evenkeel.reports.facts import SHARED_ALONE
from evenkeel.reports.statistics.shared_part import SharedPart, shared_part
from evenkeel.study.errors import UserError
from evenkeel.study.file.study import Entry, StudyConfig
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.run.worker import prepare_worker
from evenkeel.study.run.worker_context import make_context
from evenkeel.study.terminal import make_console, print_table
from evenkeel.trainables import TrainableError, Trial, trainable
from evenkeel.trainables.base import Worker
from evenkeel.trainables.measures import HEADLINES, columns

NUM_PARTS = 10
NUM_BOOTSTRAPS = 6
HEADINGS = ("of the variance", "scores", "assumed", "differences", "assumed")


def show_train_rows(config: StudyConfig) -> None:
    """Train and print by metric which part of the variance over bootstraps training sets share (c of docs/reading.md).

    Raises UserError where the study's trials cannot have a part of the train rows, or where one of them fails.
    """
    varies = getattr(config.trainable, "varies", lambda _: ())
    if "train_rows" not in varies(config.data):
        raise UserError("--train-rows: seeds of the study share their train rows; add train_rows to vary")
    metrics = list(dict.fromkeys((config.metric, *HEADLINES)))
    declared = columns(config.all_measures)
    scores = _scores(config, metrics)
    rows = []
    for metric, by_entry in zip(metrics, scores, strict=True):
        alone = shared_part(np.concatenate(by_entry))
        paired = [entry[1:] - entry[:1] for entry in by_entry if len(entry) > 1]
        differences = _words(shared_part(np.concatenate(paired))) if paired else "–"
        rows.append((metric, _words(alone), f"{SHARED_ALONE:g}", differences, f"{declared[metric].shared:g}"))
    print_table(HEADINGS, rows)


def _words(part: SharedPart) -> str:
    return f"{part.value:.2f} [{part.low:.2f}, {part.high:.2f}]"


def _scores(config: StudyConfig, metrics: list[str]) -> list[list[np.ndarray]]:
    """By metric and entry, test scores [settings, parts, bootstraps], the default first."""
    settings = [[{}, *_ends(config, entry)] for entry in config.entries]
    sizes = np.cumsum([len(own) for own in settings])[:-1]
    planner, pairs = make_planner(config), zip(config.entries, settings, strict=True)
    trials = [planner.trial(entry, setting, 0, "sweep") for entry, listed in pairs for setting in listed]
    parts = [_part(config, trials, metrics, part) for part in track(range(NUM_PARTS), console=make_console())]
    return [np.split(scores, sizes) for scores in np.stack(parts, axis=2)]


def _ends(config: StudyConfig, entry: Entry) -> list[dict[str, Any]]:
    """The first and the last level of each hyperparameter that the sweep moves."""
    defaults, levels = config.defaults(entry), config.sweep_levels(entry)
    ends = ((name, level) for name, own in levels.items() for level in (own[0], own[-1]))
    return [{name: level} for name, level in ends if level != defaults[name]]


def _part(config: StudyConfig, trials: list[Trial], metrics: list[str], part: int) -> np.ndarray:
    """Test scores [metrics, trials, bootstraps] of one part of the train rows."""
    context = make_context(config, "")
    own = trainable(context.trainable | {"train_part": [part, NUM_PARTS]})
    try:
        worker, prepared = prepare_worker(replace(context, trainable=own.model_dump(mode="json")))
        scores = [
            _test_scores(worker, prepared, [replace(trial, seed=seed) for trial in trials], metrics)
            for seed in range(NUM_BOOTSTRAPS)
        ]
    except (TrainableError, ValueError) as error:
        raise UserError(f"--train-rows: {error}") from error
    return np.stack(scores, axis=2)


def _test_scores(worker: Worker[Any], prepared: Any, trials: list[Trial], metrics: list[str]) -> np.ndarray:
    """[metrics, trials]; NaN where a trial diverged."""
    with TemporaryDirectory() as place:
        results = {trial.id: result for trial, result in worker.run(trials, prepared, Path(place))}
    kept = [results[trial.id].metrics for trial in trials]
    return np.array([[metrics_of.get(f"test_{metric}") for metrics_of in kept] for metric in metrics], dtype=float)
