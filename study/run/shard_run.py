"""One shard of a study, in this process: its trials run and are recorded. Whoever completes the study fills MLflow.

A search is left to one run of the whole study: what it asks next depends on all that was answered.
"""

import random
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from evenkeel.study.errors import StorageError
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plan.planner import Planner, make_planner
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.data_facts import find_facts
from evenkeel.study.run.drive_queue import QueueDriver
from evenkeel.study.run.due_trials import find_due
from evenkeel.study.run.engine import run_study
from evenkeel.study.run.failure_reasons import list_reasons
from evenkeel.study.run.interfaces import Display, RunOptions, RunResult
from evenkeel.study.run.lease import LEASE_STALE_S, WHOLE_STUDY, LeaseHeld
from evenkeel.study.run.open_tracking import write_study
from evenkeel.study.run.prepare_run import PreparedRun, forget_failures, prepare_run
from evenkeel.study.run.recorder import RunRecorder
from evenkeel.study.run.resume import is_complete
from evenkeel.study.run.runners import make_serial_runner
from evenkeel.study.run.serial_runner import SerialRunner
from evenkeel.study.run.shards import Shard, hold_shard
from evenkeel.study.run.signals import Signals
from evenkeel.study.run.worker_context import make_context
from evenkeel.trainables import Trial

MAX_PAUSE_S = 1.0
"""Shards that end together take turns at looking whether the others have ended."""
WHO_FILLS = "other shards are still to end; the last one fills MLflow"
WHO_GOES_ON = (
    "when all shards have ended, the same commands go on with the seeds that open verdicts ask for; or one run without "
    "--shard does"
)
WHO_SEARCHES = (
    "a search is left to one run of the whole study, which fills MLflow too: the same command without --shard"
)


def run_shard(config: StudyConfig, options: RunOptions, shard: Shard, display: Display) -> RunResult:
    """Run what is missing of a shard; what is told of trials is of its own.

    Raises UserError before anything starts when something is wrong, StorageError when records cannot be written.
    """
    storage = Storage.resolve(config, options.storage)
    planner = make_planner(config)
    ledger = Ledger(str(storage), config.name)
    ledger.create()
    planned = _find_due(planner, ledger)
    name = shard.lease_name(planned)
    with Signals(display.say) as signals, hold_shard(ledger.folder, signals, name):
        own = shard.select(planned)
        if options.retry_failed:
            forget_failures(ledger, {trial.id for trial in own})
        whole = prepare_run(config, replace(options, retry_failed=False), storage, planner, ledger, display.say)
        result = _execute(whole, whole.only(own), f"{name}/stopping", display, signals)
    if not result.stopped and not result.same_reason:
        _complete_study(config, options, planner, ledger, display)
    return result


def _find_due(planner: Planner, ledger: Ledger) -> list[Trial]:
    return find_due(planner, planner.planned(), ledger, ledger.entries() if planner.config.is_adaptive else ())


def _execute(whole: PreparedRun, own: PreparedRun, stopping_file: str, display: Display, signals: Signals) -> RunResult:
    config, ledger = own.config, own.ledger
    recorder = RunRecorder(ledger, Untracked(), display, own.entries, config.searched)
    stopped, same_reason, num_lost = False, None, 0
    if len(own.entries) < len(own.planned):
        context = replace(make_context(config, ledger.storage, own.options.python_path), stopping_file=stopping_file)
        ledger.folder.remove(stopping_file)
        with make_serial_runner(config) as runner:
            write_study(whole, find_facts(config, context, runner, display))
            display.begin(own.total, recorder.states)
            try:
                queue = QueueDriver(own, recorder, runner, context, display, signals).run_missing()
            finally:
                display.end()
                ledger.folder.remove(stopping_file)
        if queue.storage_error:
            raise StorageError(queue.storage_error)
        stopped, same_reason = queue.stopping and not queue.same_reason, queue.same_reason
        num_lost = 0 if queue.stopping else recorder.num_lost
    entries = recorder.entries.values()
    states = Counter(entry.state for entry in entries)
    return RunResult(
        states=states,
        num_new=recorder.num_new,
        num_lost=num_lost,
        num_untracked=0,
        reasons=list_reasons(entries),
        stopped=stopped,
        same_reason=same_reason,
    )


class Untracked:
    """Hears of trials and tells nobody: MLflow is filled when all shards are done."""

    def announce(self, trials: list[Trial]) -> None: ...

    def submit(self, record: object) -> None: ...

    def retire(self, trial_ids: Collection[str]) -> None: ...


def _complete_study(
    config: StudyConfig, options: RunOptions, planner: Planner, ledger: Ledger, display: Display
) -> None:
    """Fill MLflow and tidy up, as a run does that finds nothing missing, when this shard ended last."""
    if not is_complete(planner, _find_due(planner, ledger), ledger.entries()):
        display.say(WHO_GOES_ON if config.is_adaptive else WHO_SEARCHES if config.designs.search else WHO_FILLS)
        return
    deadline = time.monotonic() + LEASE_STALE_S
    while True:
        try:
            run_study(config, replace(options, retry_failed=False), lambda _: SerialRunner(), display)
            return
        except LeaseHeld as error:  # by another that ended last, or by shards that are about to end
            if error.name == WHOLE_STUDY or time.monotonic() > deadline:
                return
        time.sleep(random.uniform(0, MAX_PAUSE_S))
