"""What a study has already: damaged records set aside, records of a former study found, completeness counted."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace

from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import config_without_secrets
from evenkeel.study.plan.changes import StudyChanges, find_changes
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.ledger import Ledger
from evenkeel.trainables import Trial

Say = Callable[[str], None]


def heal(ledger: Ledger, scores: Collection[str], say: Say) -> dict[str, IndexEntry]:
    """All entries with the named scores; records that cannot be read are set aside with one message, so that their
    trials run again."""
    entries = ledger.entries(scores)
    if damaged := ledger.damaged:
        ledger.set_aside(damaged)
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        say(
            f"{ledger.storage}/{damaged[0].name}: cannot be read ({damaged[0].why}){more}; moved to set-aside/, what "
            "it recorded runs again"
        )
        entries = ledger.entries(scores)
    return entries


def select_usable(
    ledger: Ledger, planner: Planner, planned: list[Trial], accept_changes: bool, say: Say
) -> dict[str, IndexEntry]:
    """The entries that belong to the study as it is now; a mere extension goes on by itself.

    Others mean that the file, the data or code of the user's changed: raises UserError with what changed and what is
    still usable, or, when the change is accepted, moves them to `retired/`. Where study.json is lost the study as it is
    now stands in for it: trials are known by what decided them. A loss that is called otherwise now is relabelled.
    """
    entries = heal(ledger, planner.config.searched, say)
    before = ledger.read_study()
    if before is None and entries:
        say(f"{ledger.storage}/study.json: lost or not readable; made again from the study file")
    former = before.config if before else config_without_secrets(planner.config)
    changes = find_changes(former, before.sources if before else {}, planner, planned, entries)
    if changes.unusable and not accept_changes:
        raise UserError(_refusal(ledger.storage, changes, len(entries)))
    if changes.unusable:
        ledger.retire(changes.unusable)
        say(f"{len(changes.unusable)} trials of the former study were moved to retired/")
    elif changes.keys and entries:
        say(f"the study was extended ({changes.describe()}); all {len(entries)} recorded trials stay usable")
    ledger.relabel(changes.labels)
    unusable = set(changes.unusable)
    return {
        trial_id: replace(entry, label=changes.labels.get(trial_id, entry.label))
        for trial_id, entry in entries.items()
        if trial_id not in unusable
    }


def _refusal(storage: str, changes: StudyChanges, num_records: int) -> str:
    return (
        f"{storage}: the study changed after trials were recorded: {changes.describe()}. "
        f"{num_records - len(changes.unusable)} of {num_records} recorded trials are still usable. Undo the change, "
        "give another --storage, or give --accept-changes to set the others aside (they are kept in retired/) and run "
        "theirs again"
    )


def is_complete(planner: Planner, planned: list[Trial], entries: dict[str, IndexEntry]) -> bool:
    """Whether all is recorded, by counting: no search is replayed. False when only a replay can tell."""
    if not all(trial.id in entries for trial in planned):
        return False
    counts = Counter((entry.label, entry.design) for entry in entries.values())
    return all(
        counts[loss.label, design] == num
        for loss in planner.config.entries
        for design, num in planner.num_search_trials(loss).items()
    )
