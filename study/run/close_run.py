"""The last step of a run: nobody writes any more, so leftovers go and a large ledger is packed."""

from collections import Counter

from evenkeel.study.records.parquet import RECORDS_A_FILE
from evenkeel.study.run.failure_reasons import list_reasons
from evenkeel.study.run.interfaces import RunResult
from evenkeel.study.run.publish_run import PublishedRun


def close_run(published: PublishedRun) -> RunResult:
    """Tidy up the ledger and say how the run ended."""
    executed = published.executed
    ledger, entries = executed.prepared.ledger, executed.entries.values()
    ledger.sweep()
    if ledger.num_loose() >= RECORDS_A_FILE:
        ledger.pack()
    return RunResult(
        states=Counter(entry.state for entry in entries),
        num_new=executed.num_new,
        num_lost=executed.num_lost,
        num_untracked=published.num_untracked,
        reasons=list_reasons(entries),
        stopped=executed.stopped,
        same_reason=executed.same_reason,
    )
