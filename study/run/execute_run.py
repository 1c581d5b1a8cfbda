"""The second step of a run: trials that are missing run, are recorded, and are tracked as they come."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from evenkeel.study.errors import StorageError
from evenkeel.study.file.pruning import epoch_score
from evenkeel.study.plan.search_notes import note_search
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.run.data_facts import find_facts
from evenkeel.study.run.drive_queue import QueueDriver
from evenkeel.study.run.interfaces import Display, Runner
from evenkeel.study.run.open_tracking import open_tracking
from evenkeel.study.run.pack_queue import PackQueue
from evenkeel.study.run.prepare_run import PreparedRun
from evenkeel.study.run.recorder import RunRecorder
from evenkeel.study.run.signals import Signals
from evenkeel.study.run.worker_context import make_context
from evenkeel.study.tracking.periodic_summary import PeriodicSummary
from evenkeel.study.tracking.publish import publish_summaries
from evenkeel.study.tracking.tracker import Tracker


@dataclass(frozen=True)
class ExecutedRun:
    """What was run; handed to `publish_run`.

    `entries` are all recorded trials by id, `num_new` of them new; `num_lost` trials ran and have no record that can be
    read.

    `stopped`: by a signal; or since all trials fail for the `same_reason`.
    """

    prepared: PreparedRun
    entries: dict[str, IndexEntry]
    num_new: int = 0
    num_lost: int = 0
    stopped: bool = False
    same_reason: str | None = None


def execute_run(
    prepared: PreparedRun, tracker: Tracker, make_runner: Callable[[str], Runner], display: Display, signals: Signals
) -> ExecutedRun:
    """Run what is missing, and open the study in MLflow as soon as its data are known.

    Raises UserError before any trial starts when something is wrong with data or trainable, StorageError when records
    cannot be written any more, ClusterError when the cluster is gone.
    """
    if prepared.is_complete and prepared.stored:  # only the words of the study, or MLflow, may have changed
        open_tracking(prepared, tracker, read_facts(prepared.stored.summary).data)
        return ExecutedRun(prepared, prepared.entries)
    config, ledger = prepared.config, prepared.ledger
    for line in note_search(config):
        display.say(line)
    context = make_context(config, ledger.storage, prepared.options.python_path)
    with make_runner(ledger.storage) as runner:
        open_tracking(prepared, tracker, find_facts(config, context, runner, display))
        recorder = RunRecorder(ledger, tracker, display, prepared.entries, config.searched, epoch_score(config))
        driver = QueueDriver(prepared, recorder, runner, context, display, signals)
        renew = partial(publish_summaries, tracker, ledger)
        display.begin(prepared.total, recorder.states)
        try:
            with PeriodicSummary(renew, lambda: recorder.num_new, display.say):
                queue = driver.run_missing()
        finally:
            display.end()
    if queue.storage_error:
        raise StorageError(queue.storage_error)
    num_lost = 0 if queue.stopping else recorder.num_lost
    if not queue.stopping:
        recorder.retire(_find_superseded(queue, recorder.entries))
    stopped = queue.stopping and not queue.same_reason
    return ExecutedRun(prepared, recorder.entries, recorder.num_new, num_lost, stopped, queue.same_reason)


def _find_superseded(queue: PackQueue, entries: dict[str, IndexEntry]) -> list[str]:
    """Ids of searched trials that no search asks for any more: an extended one may have found another winner."""
    if queue.searches is None:
        return []
    return [i for i, e in entries.items() if e.design in ("search", "confirm") and i not in queue.searches.trials]
