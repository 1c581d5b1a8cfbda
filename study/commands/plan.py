"""`evenkeel plan`: what would run, nothing started."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from evenkeel.study.commands import data_summary
from evenkeel.study.commands.try_trials import try_trials
from evenkeel.study.errors import UserError
from evenkeel.study.file.designs import LevelRange
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.read import load_study
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plain_text import visible_lines
from evenkeel.study.plan.adaptive_seeds import first_due
from evenkeel.study.plan.own_code import check_own_code, check_with_classes
from evenkeel.study.plan.planner import Planner, make_planner
from evenkeel.study.run.data_facts import images_words, summarise_data
from evenkeel.study.run.pack_sizing import make_sizing
from evenkeel.study.run.worker import prepare_worker
from evenkeel.study.run.worker_context import WorkerContext, make_context, runs_one_by_one
from evenkeel.study.terminal import print_table
from evenkeel.trainables import TrainableError, Trial
from evenkeel.trainables.trial import DESIGNS

USUAL_SHARES = {(True, False): 0.03, (False, True): 0.22, (True, True): 0.09}
"""By whether seeds and whether levels go where they decide: of the trials that might be asked for, the share that was
in benchmarks/verdict_cost.py and benchmarks/finer_levels.py."""


def execute(options: argparse.Namespace) -> int:
    """Print trials per design and loss, packs, the first three trials, and with --measure what it will take."""
    if options.price is not None and not 0 <= options.price < float("inf"):
        raise UserError(f"--price {options.price}: must be a price of one hour, 0 or more")
    config = load_study(options.study, options.overrides)
    planner = make_planner(config)
    check_own_code(config)
    possible = planner.planned()
    planned = first_due(config, possible)

    def write(text: str) -> None:
        sys.stdout.write(visible_lines(text))

    data = getattr(config.data, "title", config.data.name)
    write(f"{config.name}: {data}, {_seeds(config)} seeds, metric {config.metric}\n\n")
    _show_data(config)
    if images := images_words(config):
        write(f"images: {images}\n\n")
    _show_counts(planner, planned)
    if config.is_adaptive:
        write(_range(config, planner, len(planned), len(possible)))
    pack_size = config.resources.pack_size
    sizing = make_sizing(pack_size, one_by_one=runs_one_by_one(config.trainable))
    packs = sizing.cut(planned, config.resources.workers or 1)
    largest = max(map(len, packs), default=0)
    searched = "; trials of a search follow its proposals" if config.designs.search else ""
    write(f"\n{_cut(config, len(packs), largest)}{searched}\n")
    for trial in planned[:3]:
        settings = ", ".join(f"{key} {value}" for key, value in trial.setting.items())
        write(f"  {trial.id}  {trial.label}, {trial.design}, seed {trial.seed}: {settings or 'the default'}\n")
    write("".join(f"\n{line}\n" for line in _list_seedless(config)))
    if options.tried is not None:
        write(try_trials(config, planner, options.tried, options.storage))
    if options.measure or options.price is not None:
        write(_measured(config, planner, packs, options))
    return 0


def _cut(config: StudyConfig, num_packs: int, largest: int) -> str:
    """How many trials a worker is given at once."""
    if config.resources.pack_size:
        return f"{num_packs} packs of at most {largest} trials for sweep and Sobol"
    if runs_one_by_one(config.trainable):
        return "a worker runs trials one after the other"
    return f"first {largest} trials per batch, later adapted to speed, for sweep and Sobol"


def _show_data(config: StudyConfig) -> None:
    """What was understood of the data. Raises UserError for data that cannot be loaded."""
    summary = summarise_data(config)
    if summary:
        data_summary.show_data(summary)
        if summary.refusal:
            raise UserError(summary.refusal)
    check_with_classes(config, len(summary.classes) if summary else 0)


def _list_seedless(config: StudyConfig) -> list[str]:
    """A line a training function that takes no seed: its intervals may have no width for no good reason."""
    named = [
        getattr(entry, "signature", None) or getattr(config.trainable, "signature", None) for entry in config.entries
    ]
    return [
        f"{reference} takes no seed: its trials differ from seed to seed only where it draws from the generators of "
        "Python, numpy or torch"
        for reference in dict.fromkeys(s.reference for s in named if s is not None and "seed" not in s.supplied)
    ]


def _seeds(config: StudyConfig) -> str:
    return f"{config.looks[0]} to {config.looks[-1]}" if config.looks else str(len(config.all_seeds))


def _range(config: StudyConfig, planner: Planner, least: int, most: int) -> str:
    """The least, the likely and the most trials of a study whose seeds or levels go where they decide."""
    searched = sum(sum(planner.num_search_trials(loss).values()) for loss in config.entries)
    levels = config.designs.sweep.levels if config.designs.sweep else None
    finer = [f"{levels.first} to {levels.last} levels"] if isinstance(levels, LevelRange) else []
    looks = [f"looks at {', '.join(map(str, config.looks))} seeds"] if config.looks else []
    likely = least + USUAL_SHARES[bool(looks), bool(finer)] * (most - least)
    return (
        f"\n{', '.join(looks + finer)}: at least {least + searched:,} trials, likely "
        f"about {round(likely) + searched:,}, at most {most + searched:,}\n"
    )


def _show_counts(planner: Planner, planned: list[Trial]) -> None:
    rows, paired = [], any(trial.design == "pair" for trial in planned)
    designs = [design for design in DESIGNS if design != "pair" or paired]
    for loss in planner.config.entries:
        counts: Counter[str] = Counter(trial.design for trial in planned if trial.label == loss.label)
        counts.update(planner.num_search_trials(loss))
        rows.append([loss.label, *(counts[design] for design in designs), counts.total()])
    totals = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    print_table(["", *designs, "all"], [*rows, ["all", *totals]], totals=True)


def _measured(config: StudyConfig, planner: Planner, packs: list[list[Trial]], options: argparse.Namespace) -> str:
    """Hours and cost, from one pack that is trained here."""
    if not packs:
        return "nothing to measure: the study has no sweep and no sobol design\n"
    context = make_context(config, str(Storage.resolve(config, options.storage)))
    each_s = _seconds_a_trial(packs[0], context, max(1, int(config.resources.cpus)))
    total = sum(map(len, packs)) + sum(sum(planner.num_search_trials(loss).values()) for loss in config.entries)
    hours, gpus, workers = each_s * total / 3600, config.resources.gpus, config.resources.workers or 1
    lines = [
        f"measured: one pack of {len(packs[0])} trials, {1000 * each_s:.0f} ms a trial on one worker; {total:,} trials "
        f"on {workers} worker{'s' if workers > 1 else ''}: about {60 * hours / workers:.1f} min",
        f"that is {hours:.2f} worker-hours" + (f", {hours * gpus:.2f} GPU-hours" if gpus else ""),
    ]
    if options.price is not None:
        unit, hours_priced = ("GPU-hour", hours * gpus) if gpus else ("worker-hour", hours)
        lines.append(f"at {options.price:g} a {unit}: {options.price * hours_priced:.2f}")
    return "\n" + "\n".join(lines) + "\n"


def _seconds_a_trial(pack: list[Trial], context: WorkerContext, num_threads: int) -> float:
    """Of a pack in this process, trained after one trial that warms up."""
    from evenkeel.trainables.device import threads

    try:
        worker, prepared = prepare_worker(context)
    except TrainableError as error:
        raise UserError(str(error)) from error
    with threads(num_threads), TemporaryDirectory() as place:
        list(worker.run(pack[:1], prepared, Path(place)))
        started = time.perf_counter()
        list(worker.run(pack, prepared, Path(place)))
        return (time.perf_counter() - started) / len(pack)
