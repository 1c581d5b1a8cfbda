"""The third step of a run: MLflow gets the study's report and summaries, and all that is still on its way."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evenkeel.study.run.execute_run import ExecutedRun
from evenkeel.study.run.interfaces import Say
from evenkeel.study.tracking.publish import publish_study
from evenkeel.study.tracking.receipt import TrackingReceipt, list_recorded
from evenkeel.study.tracking.tracker import Tracker


@dataclass(frozen=True)
class PublishedRun:
    """What was run, and how many of its trials MLflow still lacks; handed to `close_run`."""

    executed: ExecutedRun
    num_untracked: int = 0


def publish_run(executed: ExecutedRun, tracker: Tracker, say: Say) -> PublishedRun:
    """Publish what is recorded, wait until MLflow has it, and note that it has."""
    prepared, ledger = executed.prepared, executed.prepared.ledger
    with TemporaryDirectory() as folder:
        publish_study(tracker, prepared.uri, ledger, prepared.planned, Path(folder), say)
        num_untracked = tracker.finish()
    if not num_untracked:
        receipt = TrackingReceipt(ledger.folder, prepared.uri)
        receipt.write(list_recorded(executed.entries.values(), ledger.retired_ids()))
    return PublishedRun(executed, num_untracked)
