"""What happens to a pack on a worker: features, training, one record a trial. Used by every runner."""

import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from study import __version__
from study.records.ledger import Ledger
from study.records.record import TrialRecord
from trainables import Trial

RECORDED_VERSIONS = ("torch", "timm", "numpy", "ray", "optuna", "mlflow")
GIB = 1024**3


@dataclass(frozen=True)
class Context:
    """What a worker needs besides the trials: where things lie. None of it decides a result."""

    study: str
    storage: str
    cache: str
    data: dict[str, Any]
    trainable: dict[str, Any]
    device: str = "cpu"
    memory_gib: float | None = None
    python_path: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pack:
    """Trials that share data, trainable settings and seed."""

    number: int
    trials: list[Trial]

    def __str__(self) -> str:
        return f"pack{self.number}"

    __repr__ = __str__


@dataclass(frozen=True)
class Outcome:
    """What the driver hears of a pack: state and validation score by trial id, or the error that ended it."""

    states: dict[str, str]
    scores: dict[str, dict[str, float | None]]
    error: str | None = None


def execute(pack: Pack, context: Context) -> Outcome:
    """Train a pack and record every trial. An error in the computation is returned, with its text."""
    for folder in context.python_path:
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return _execute(pack, context)
    except Exception:
        return Outcome({}, {}, error=traceback.format_exc(limit=20))


def _execute(pack: Pack, context: Context) -> Outcome:
    from trainables.probe.features import prepare
    from trainables.probe.train import bytes_per_trial

    features = prepare(context.data, context.trainable, Path(context.cache), context.device)
    size = _fitting(len(pack.trials), bytes_per_trial(features, context.trainable), context)
    ledger = Ledger(context.storage, context.study)
    states: dict[str, str] = {}
    scores: dict[str, dict[str, float | None]] = {}
    for start in range(0, len(pack.trials), size):
        for trial, result, started in _train(pack.trials[start : start + size], features, context.device):
            record = TrialRecord(
                study=context.study,
                trial=trial,
                **vars(result),
                started=started,
                ended=time.time(),
                pack=pack.number,
                host=socket.gethostname(),
                versions=versions(),
            )
            ledger.write(record)
            states[trial.id] = result.state
            scores[trial.id] = {key: value for key, value in result.metrics.items() if key.startswith("val_")}
    return Outcome(states, scores)


def _train(trials: list[Trial], features: Any, device: str) -> list[tuple[Trial, Any, float]]:
    """Results of the trials; a pack that does not fit into memory is halved."""
    from trainables.probe.train import run_pack

    started = time.time()
    try:
        results = run_pack(trials, features, device)
    except (MemoryError, RuntimeError) as error:
        if len(trials) == 1 or not _out_of_memory(error):
            raise
        half = len(trials) // 2
        return _train(trials[:half], features, device) + _train(trials[half:], features, device)
    return [(trial, result, started) for trial, result in zip(trials, results, strict=True)]


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text


def _fitting(num_trials: int, bytes_each: int, context: Context) -> int:
    """The largest pack, by halving, that fits into the memory a worker may use."""
    from trainables.probe.train import free_device_bytes

    if context.memory_gib:
        allowed = context.memory_gib * GIB
    elif context.device == "cpu":
        allowed = 0.5 * psutil.virtual_memory().available
    else:
        allowed = 0.8 * free_device_bytes()
    while num_trials > 1 and num_trials * bytes_each > allowed:
        num_trials = -(-num_trials // 2)
    return num_trials


@cache
def versions() -> dict[str, str]:
    """Versions that may matter for a result."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"evenkeel": __version__, "python": python} | {name: version(name) for name in RECORDED_VERSIONS}


def failed(study: str, trial: Trial, error: str) -> TrialRecord:
    """The record of a trial that raised or killed its worker, with the text of what happened."""
    now = time.time()
    return TrialRecord(
        study=study,
        trial=trial,
        state="failed",
        note=error.strip()[-4000:],
        started=now,
        ended=now,
        host=socket.gethostname(),
        versions=versions(),
    )


def check_data(context: Context, seeds: list[int]) -> dict[str, Any]:
    """Load and check data and backbone, make the features, and say what was found. Runs before any trial.

    Raises TrainableError. Returns the facts of the data set, among them the classes without positives in a split.
    """
    from trainables.probe.features import describe, prepare

    features = prepare(context.data, context.trainable, Path(context.cache), context.device)
    return describe(features, context.data, context.trainable, seeds)
