"""What happens to a pack on a worker: preparation, training, one record a trial. Used by every runner."""

import json
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evenkeel import __version__
from evenkeel.study.errors import StorageError
from evenkeel.study.records.folder import FATAL_ERRNOS, Folder, storage_error
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.records.shares import RecordedShares
from evenkeel.study.run.death_note import leave_death_note
from evenkeel.study.run.host_status import mark_pack_running
from evenkeel.study.run.pack import Pack, PackReport
from evenkeel.study.run.pack_sizing import MAX_PACK_TRIALS, ROW_LIMIT_S, PackCost
from evenkeel.study.run.time_limit import limit_time
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables import TrainableError, Trial, trainable
from evenkeel.trainables.base import Prepared, Shares, Worker
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.epochs import judged_by
from evenkeel.trainables.machine import machine_kind
from evenkeel.trainables.measures.base import EVALUATED
from evenkeel.trainables.own_code import FOLDERS, use_folders
from evenkeel.trainables.resources import MemoryUse, spare_bytes
from evenkeel.trainables.result import Result
from evenkeel.trainables.result_contract import checked_results
from evenkeel.trainables.study_shares import sharing
from evenkeel.trainables.worker_contract import check_worker, read_description

RECORDED_VERSIONS = ("torch", "timm", "numpy", "ray", "optuna", "mlflow")
GIB = 1024**3
MAX_NOTE_CHARS = 4000


def run_pack(pack: Pack, context: WorkerContext) -> PackReport:
    """Train a pack and record every trial the moment it ends. An error is returned, with its text."""
    report = PackReport()
    if Folder(context.storage).exists(context.stopping_file):
        return PackReport(skipped=True)
    try:
        with (
            leave_death_note(Path(context.cache), context.own_process),
            mark_pack_running(Path(context.cache), context.storage, pack.number),
        ):
            return _run_prepared(pack, context, report)
    except StorageError as error:
        return replace(report, storage_error=str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's code may raise anything
        try:
            return replace(report, error=describe_error(error, context.cache))
        except StorageError as fatal:
            return replace(report, storage_error=str(fatal))


def describe_error(error: BaseException, cache: str) -> str:
    """The text of what trials raised, while it is handled: what a user's code raises never ends the run.

    Raises StorageError for a place that cannot be written, and what Ray raises at SIGTERM: its SystemExit bears words.
    """
    if isinstance(error, OSError) and error.errno in FATAL_ERRNOS:
        raise storage_error(error, error.filename or cache) from error
    if isinstance(error, StorageError) or (isinstance(error, SystemExit) and vars(error)):
        raise error
    text = traceback.format_exc(limit=20)
    return f"{text}sys.exit was called" if isinstance(error, SystemExit) else text


def _run_prepared(pack: Pack, context: WorkerContext, report: PackReport) -> PackReport:
    """Record every trial, and note it in the report, the moment it ends."""
    with sharing(_recorded_shares(context.storage)), judged_by(context.judge):
        worker, prepared = prepare_worker(context)
        meter = CostMeter(context)
        if context.one_by_one:
            _run_row(pack, context, worker, prepared, report)
        else:
            _note(_records(pack, context, worker, prepared), context, report)
    left = len(pack.trials) - report.num_trials
    return replace(report, cost=meter.cost(report.num_trials), is_cut_short=left > 0)


def _note(records: Iterator[TrialRecord], context: WorkerContext, report: PackReport) -> None:
    """Note trials in the report as they are recorded."""
    for record in records:
        if context.judge and record.state == "censored":
            report.curves[record.id] = record.curves.get(context.judge.score, [])
        elif context.judge and record.trial.design == "search" and record.state == "done":
            context.judge.finish(record.trial)
        report.states[record.id] = record.state
        report.scores[record.id] = {name: record.metrics.get(name) for name in context.scores}


def _run_row(pack: Pack, context: WorkerContext, worker: Worker[Any], prepared: Prepared, report: PackReport) -> None:
    """One trial after the other, until they have taken too long for a pack: the driver gives the others out again."""
    deadline = time.monotonic() + ROW_LIMIT_S
    for trial in pack.trials:
        if report.num_trials and time.monotonic() > deadline:
            return
        try:
            _note(_records(replace(pack, trials=[trial]), context, worker, prepared), context, report)
        except (Exception, SystemExit) as error:
            report.errors[trial.id] = describe_error(error, context.cache)


@lru_cache(maxsize=1)
def _recorded_shares(storage: str) -> RecordedShares:
    return RecordedShares(storage)


class CostMeter:
    """What a pack takes from now on, of time and of the memory that it may have."""

    def __init__(self, context: WorkerContext) -> None:
        self.allowed, self.memory, self.started = _allowed(context), MemoryUse(context.device), time.monotonic()

    def cost(self, num_trials: int) -> PackCost:
        """Of each of so many trials."""
        each = self.memory.peak() / num_trials
        fits = int(self.allowed / each) if each else MAX_PACK_TRIALS
        return PackCost(num_trials, (time.monotonic() - self.started) / num_trials, fits)


def _records(pack: Pack, context: WorkerContext, worker: Worker[Any], prepared: Prepared) -> Iterator[TrialRecord]:
    ledger = Ledger(context.storage, context.study)
    size = _fitting(len(pack.trials), worker.bytes_per_trial(prepared), context)
    for start in range(0, len(pack.trials), size):
        trials, place, started = pack.trials[start : start + size], _place(context), time.time()
        for trial, result in _train(worker, trials, prepared, context):
            check_metric(context, result)
            record = TrialRecord(
                study=context.study,
                trial=trial,
                started=started,
                ended=time.time(),
                pack=pack.number,
                host=socket.gethostname(),
                versions=collect_versions(),
                machine=machine_kind(context.device),
                shared=prepared.shared_hash(trial.seed) if isinstance(prepared, Shares) else "",
                **vars(result),
            )
            ledger.write(record, place)
            shutil.rmtree(place / trial.id, ignore_errors=True)
            yield record


def check_metric(context: WorkerContext, result: Result) -> None:
    """Raises TrainableError for a trial that ended and has no score of what the study is judged by."""
    if result.state == "censored":
        return
    splits = EVALUATED if context.validated else ("test",)
    if missing := [name for split in splits if (name := f"{split}_{context.metric}") not in result.metrics]:
        scores = ", ".join(name.removeprefix("test_") for name in result.metrics if name.startswith("test_"))
        raise TrainableError(
            f"metric: {context.metric!r} is not among what {context.trainable['name']} gives ({missing[0]} is missing; "
            f"there is {scores or 'nothing'}); return it, or set metric to another"
        )


def prepare_worker(context: WorkerContext) -> tuple[Worker[Any], Prepared]:
    """The trainable's worker and what its trials share; found or made once a process."""
    if context.python_path:
        use_folders(context.python_path)
    data, settings = json.dumps(context.data), json.dumps(context.trainable)
    folders = tuple(FOLDERS)
    return _prepare_worker(data, settings, folders, context.cache, context.device, context.gpus, context.measures)


@lru_cache(maxsize=1)
def _prepare_worker(
    data: str, settings: str, folders: tuple[str, ...], cache: str, device: str, gpus: float, measures: tuple[str, ...]
) -> tuple[Worker[Any], Prepared]:
    if device != "cpu":
        from evenkeel.trainables.device import check_device, share_gpu

        check_device(device)
        if 0 < gpus < 1:
            share_gpu(gpus)
    worker = trainable(json.loads(settings)).worker(measures)
    check_worker(json.loads(settings)["name"], worker)
    return worker, worker.prepare(data_set(json.loads(data)), Path(cache), device)


def _place(context: WorkerContext) -> Path:
    """Where trials leave checkpoints and large files until they are recorded: on storage when that is a folder."""
    if "://" in context.storage:
        return Path(context.cache) / "working" / context.study
    return Path(context.storage) / "working"


def _train(
    worker: Worker[Any], trials: list[Trial], prepared: Prepared, context: WorkerContext
) -> Iterator[tuple[Trial, Result]]:
    """Results of the trials that keep to the contract; a pack that does not fit into memory is halved."""
    missing = {trial.id: trial for trial in trials}
    try:
        seconds = context.trial_limit and context.trial_limit * len(trials)
        outcome: Any = worker.run(trials, prepared, place := _place(context))
        pairs = iter(outcome if isinstance(outcome, Iterable) else [outcome])
        results = limit_time(pairs, seconds, context.trial_limit)
        for trial, result in checked_results(worker, trials, results, context.measures, place):
            del missing[trial.id]
            yield trial, result
    except (MemoryError, RuntimeError) as error:
        from evenkeel.trainables.device import out_of_memory  # torch, which not every trainable needs

        if len(missing) <= 1 or not out_of_memory(error):
            raise
    if missing:
        waiting = list(missing.values())
        half = len(waiting) // 2
        for part in (waiting[:half], waiting[half:]):
            yield from _train(worker, part, prepared, context)


def _fitting(num_trials: int, bytes_each: int, context: WorkerContext) -> int:
    """The largest pack, by halving, that fits into the memory a worker may use."""
    allowed = _allowed(context) if num_trials > 1 and bytes_each else 0.0  # the system is asked in milliseconds
    while num_trials > 1 and num_trials * bytes_each > allowed:
        num_trials = -(-num_trials // 2)
    return num_trials


def _allowed(context: WorkerContext) -> float:
    """The memory in bytes that a pack may take."""
    return context.memory_gib * GIB if context.memory_gib else spare_bytes(context.device)


@cache
def collect_versions() -> dict[str, str]:
    """Versions that may matter for a result."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"evenkeel": __version__, "python": python} | {name: version(name) for name in RECORDED_VERSIONS}


def make_failure_record(study: str, trial: Trial, error: str) -> TrialRecord:
    """The record of a trial that raised or killed its worker, with the text of what happened."""
    now, note = time.time(), error.strip()[-MAX_NOTE_CHARS:]
    return TrialRecord(
        study=study,
        trial=trial,
        state="failed",
        started=now,
        ended=now,
        note=note,
        host=socket.gethostname(),
        versions=collect_versions(),
    )


def describe_data(context: WorkerContext, seeds: list[int]) -> SplitFacts:
    """Load and check everything that trials share, and say what was found. Runs before any trial.

    Raises TrainableError. Returns the facts of the data set, among them the classes without positives in a split.
    """
    with sharing(_recorded_shares(context.storage)):
        return read_description(context.trainable["name"], prepare_worker(context)[1], seeds)
