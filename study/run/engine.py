"""A study from file to complete ledger in four steps: prepare, execute, publish, close."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evenkeel.study.errors import ClusterError
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.close_run import close_run
from evenkeel.study.run.execute_run import ExecutedRun, execute_run
from evenkeel.study.run.interfaces import Display, Runner, RunOptions, RunResult
from evenkeel.study.run.lease import Lease, wait_until_free
from evenkeel.study.run.prepare_run import prepare_run
from evenkeel.study.run.publish_run import PublishedRun, publish_run
from evenkeel.study.run.shards import shard_leases
from evenkeel.study.run.signals import Signals
from evenkeel.study.run.worker_context import STOPPING_FILE
from evenkeel.study.tracking.publish import connect_tracker


def run_study(
    config: StudyConfig, options: RunOptions, make_runner: Callable[[str], Runner], display: Display
) -> RunResult:
    """Run what is missing of a study; `make_runner` gets the folder or URL of its records.

    Raises UserError before anything starts when something is wrong, StorageError when records cannot be written,
    ClusterError when the cluster is gone or another run took over.
    """
    storage = Storage.resolve(config, options.storage)
    planner = make_planner(config)
    ledger = Ledger(str(storage), config.name)
    ledger.create()
    with Signals(display.say) as signals, _hold_lease(ledger, signals):
        prepared = prepare_run(config, options, storage, planner, ledger, display.say)
        if prepared.is_finished:
            return close_run(PublishedRun(ExecutedRun(prepared, prepared.entries)))
        with connect_tracker(prepared.uri, config, ledger, display.say, track_later=options.track_later) as tracker:
            executed = execute_run(prepared, tracker, make_runner, display, signals)
            published = publish_run(executed, tracker, display.say)
        return close_run(published)


@contextmanager
def _hold_lease(ledger: Ledger, signals: Signals) -> Iterator[None]:
    """Be the only run of the study, no shard beside it, and take away the sign by which a former run was stopped."""
    lost = ClusterError(f"{ledger.storage}: another run of this study took over, since this one had fallen silent")
    with Lease(ledger.folder, lambda: signals.fail(lost)).hold():
        wait_until_free(ledger.folder, shard_leases(ledger.folder))
        ledger.folder.remove(STOPPING_FILE)
        try:
            yield
        finally:
            ledger.folder.remove(STOPPING_FILE)
