"""What happens to a pack on a worker: preparation, training, one record a trial. Used by every runner."""

import json
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evenkeel import __version__
from evenkeel.study.errors import StorageError
from evenkeel.study.records.folder import TROUBLE, Folder, storage_error
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.run.host_status import at_work
from evenkeel.study.run.pack_sizing import MOST, Cost
from evenkeel.trainables import Trial, trainable
from evenkeel.trainables.base import Prepared, Worker
from evenkeel.trainables.data import data_set
from evenkeel.trainables.measures import ALWAYS
from evenkeel.trainables.resources import MemoryUse, spare_bytes
from evenkeel.trainables.result import Result

RECORDED_VERSIONS = ("torch", "timm", "numpy", "ray", "optuna", "mlflow")
GIB = 1024**3
NOTE_LENGTH = 4000
STOPPING = "stopping"
"""A file in the study's folder that says: begin no further pack. It reaches every node that can record."""

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Context:
    """What a worker needs besides the trials: where things lie. None of it decides a result."""

    study: str
    storage: str
    cache: str
    data: dict[str, Any]
    trainable: dict[str, Any]
    device: str = "cpu"
    gpus: float = 0
    memory_gib: float | None = None
    python_path: list[str] = field(default_factory=list)
    measures: tuple[str, ...] = ALWAYS
    scores: tuple[str, ...] = ()
    """Which of a trial's metrics the driver hears: a search needs them before the record is read."""


@dataclass(frozen=True)
class Pack:
    """Trials that share data, trainable settings and seed."""

    number: int
    trials: list[Trial]

    def __str__(self) -> str:
        return f"pack{self.number}"

    __repr__ = __str__

    def __deepcopy__(self, memo: object) -> "Pack":
        """Itself: Tune copies configurations."""
        return self


@dataclass(frozen=True)
class Report:
    """What the driver hears of a pack: state and wanted scores by trial id, or the error that ended it.

    `skipped` means that the run was stopping before the pack began; `full` is the one line of a place that cannot be
    written: no other pack would fare better.
    """

    states: dict[str, str] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    error: str | None = None
    skipped: bool = False
    full: str | None = None
    cost: Cost | None = None


def execute(pack: Pack, context: Context) -> Report:
    """Train a pack and record every trial the moment it ends. An error is returned, with its text."""
    report = Report()
    if Folder(context.storage).exists(STOPPING):
        return Report(skipped=True)
    try:
        with at_work(Path(context.cache), context.storage, pack.number):
            worker, prepared = ready(context)
            measured = Measured(context)
            for record in _records(pack, context, worker, prepared):
                report.states[record.id] = record.state
                report.scores[record.id] = {name: record.metrics.get(name) for name in context.scores}
    except StorageError as error:
        return Report(report.states, report.scores, full=str(error))
    except OSError as error:
        if error.errno in TROUBLE:
            return Report(report.states, report.scores, full=str(storage_error(error, error.filename or context.cache)))
        return Report(report.states, report.scores, traceback.format_exc(limit=20))
    except Exception:
        return Report(report.states, report.scores, traceback.format_exc(limit=20))
    return replace(report, cost=measured.cost(len(pack.trials)))


class Measured:
    """What a pack takes from now on, of time and of the memory that it may have."""

    def __init__(self, context: Context) -> None:
        self.allowed, self.memory, self.started = _allowed(context), MemoryUse(context.device), time.monotonic()

    def cost(self, num_trials: int) -> Cost:
        """Of each of so many trials."""
        each = self.memory.peak() / num_trials
        fits = int(self.allowed / each) if each else MOST
        return Cost(num_trials, (time.monotonic() - self.started) / num_trials, fits)


def _records(pack: Pack, context: Context, worker: Worker[Any], prepared: Prepared) -> Iterator[TrialRecord]:
    ledger = Ledger(context.storage, context.study)
    size = _fitting(len(pack.trials), worker.bytes_per_trial(prepared), context)
    for start in range(0, len(pack.trials), size):
        trials, place, started = pack.trials[start : start + size], _place(context), time.time()
        for trial, result in _train(worker, trials, prepared, place):
            record = TrialRecord(
                study=context.study,
                trial=trial,
                started=started,
                ended=time.time(),
                pack=pack.number,
                host=socket.gethostname(),
                versions=versions(),
                **vars(result),
            )
            ledger.write(record, place)
            shutil.rmtree(place / trial.id, ignore_errors=True)
            yield record


def ready(context: Context) -> tuple[Worker[Any], Prepared]:
    """The trainable's worker and what its trials share; found or made once a process."""
    for folder in context.python_path:
        if folder not in sys.path:
            sys.path.append(folder)
    data, settings = json.dumps(context.data), json.dumps(context.trainable)
    return _ready(data, settings, context.cache, context.device, context.gpus, context.measures)


@lru_cache(maxsize=1)
def _ready(
    data: str, settings: str, cache: str, device: str, gpus: float, measures: tuple[str, ...]
) -> tuple[Worker[Any], Prepared]:
    if device != "cpu":
        from evenkeel.trainables.device import check_device, share_gpu

        check_device(device)
        if 0 < gpus < 1:
            share_gpu(gpus)
    worker = trainable(json.loads(settings)).worker(measures)
    return worker, worker.prepare(data_set(json.loads(data)), Path(cache), device)


def _place(context: Context) -> Path:
    """Where trials leave checkpoints and large files until they are recorded: on storage when that is a folder."""
    if "://" in context.storage:
        return Path(context.cache) / "working" / context.study
    return Path(context.storage) / "working"


def _train(worker: Worker[Any], trials: list[Trial], prepared: Prepared, place: Path) -> Iterator[tuple[Trial, Result]]:
    """Results of the trials; a pack that does not fit into memory is halved."""
    from evenkeel.trainables.device import out_of_memory

    missing = {trial.id: trial for trial in trials}
    try:
        for trial, result in worker.run(trials, prepared, place):
            del missing[trial.id]
            yield trial, result
    except (MemoryError, RuntimeError) as error:
        if len(missing) <= 1 or not out_of_memory(error):
            raise
    if missing:
        rest = list(missing.values())
        half = len(rest) // 2
        for part in (rest[:half], rest[half:]):
            yield from _train(worker, part, prepared, place)


def _fitting(num_trials: int, bytes_each: int, context: Context) -> int:
    """The largest pack, by halving, that fits into the memory a worker may use."""
    allowed = _allowed(context)
    while num_trials > 1 and num_trials * bytes_each > allowed:
        num_trials = -(-num_trials // 2)
    return num_trials


def _allowed(context: Context) -> float:
    """The memory in bytes that a pack may take."""
    return context.memory_gib * GIB if context.memory_gib else spare_bytes(context.device)


@cache
def versions() -> dict[str, str]:
    """Versions that may matter for a result."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"evenkeel": __version__, "python": python} | {name: version(name) for name in RECORDED_VERSIONS}


def failed(study: str, trial: Trial, error: str) -> TrialRecord:
    """The record of a trial that raised or killed its worker, with the text of what happened."""
    now, note = time.time(), error.strip()[-NOTE_LENGTH:]
    return TrialRecord(
        study=study,
        trial=trial,
        state="failed",
        started=now,
        ended=now,
        note=note,
        host=socket.gethostname(),
        versions=versions(),
    )


def check_data(context: Context, seeds: list[int]) -> dict[str, Any]:
    """Load and check everything that trials share, and say what was found. Runs before any trial.

    Raises TrainableError. Returns the facts of the data set, among them the classes without positives in a split.
    """
    return ready(context)[1].describe(seeds)
