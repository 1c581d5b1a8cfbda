"""What a run shows in MLflow besides its trials, as they come and at its end. It needs pandas, but no trial waits."""

import gc
from collections.abc import Callable, Iterable
from pathlib import Path

from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import TrackingUri
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.experiment import make_trial_link
from evenkeel.study.tracking.tracker import Setup, Tracker
from evenkeel.trainables import Trial
from evenkeel.trainables.cache import default_cache

Say = Callable[[str], None]
MANY_ROWS = 10_000
"""So large a table is not left to the collector: it hangs in circles, and among many objects that stay nobody looks."""


def connect_tracker(
    uri: TrackingUri, config: StudyConfig, ledger: Ledger, say: Say, *, track_later: bool = False
) -> Tracker:
    """The study's way to MLflow.

    Raises UserError when a server that was named does not answer, unless the study may be tracked later.
    """

    def outage(text: str) -> None:
        say(f"MLflow at {uri} does not answer ({uri.hide(text)}); trials go on and are tracked later")

    def files_of(record: TrialRecord) -> list[str]:
        names = record.files if config.tracking_files else ()
        return [ledger.folder.fs.unstrip_protocol(ledger.file(record, name)) for name in names]

    setup = Setup(uri.raw, config.name, uri.database, uri.artifacts, Path(default_cache()))
    tracker = Tracker(setup, outage, lambda text: say(uri.hide(text)), files_of)
    if uri.key and not track_later and (problem := tracker.check()):
        tracker.close()
        raise UserError(
            f"{uri.blamed}: does not answer ({uri.hide(problem)}); start the server, correct the URI, or give "
            "--track-later to run now and let a later run fill MLflow"
        )
    return tracker


def publish_summaries(tracker: Tracker, ledger: Ledger) -> None:
    """Numbers and verdicts of each loss, from what is recorded by now."""
    from evenkeel.reports.verdict.looks import decided_part
    from evenkeel.study.records.table import table_from_ledger
    from evenkeel.study.tracking.summaries import summarize_losses

    table = decided_part(table_from_ledger(Ledger(ledger.storage, ledger.study)))  # perhaps beside its reader
    tracker.summarize(summarize_losses(table))
    if len(table) > MANY_ROWS:
        del table
        gc.collect()


def publish_study(
    tracker: Tracker, uri: TrackingUri, ledger: Ledger, planned: Iterable[Trial], folder: Path, say: Say
) -> None:
    """Numbers and verdicts of each loss, and files of the study and of each loss, written under `folder`.

    The folder must stay until all is tracked.
    """
    from evenkeel.reports.verdict.looks import decided_part
    from evenkeel.study.records.table import table_from_ledger
    from evenkeel.study.tracking.attachments import write_attachments
    from evenkeel.study.tracking.summaries import summarize_losses

    experiment = tracker.experiment() if uri.is_server else None
    try:
        table = decided_part(table_from_ledger(ledger))
        tracker.summarize(summarize_losses(table))
        runs = experiment and make_trial_link(uri.address, experiment)
        tracker.attach(write_attachments(ledger.require_study(), table, planned, folder, runs))
    except Exception as error:  # the trials are recorded, and how a run ended matters more than its report
        say(f"MLflow gets no report ({type(error).__name__}: {error})")
