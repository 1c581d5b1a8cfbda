"""A study file that changed after trials were recorded: what changed, what is still usable."""

from collections.abc import Callable
from typing import Any

from study.errors import UserError
from study.plan.planner import Planner
from study.records.ledger import Ledger
from study.records.record import TrialRecord
from trainables import Trial
from trainables.settings import places

HARMLESS = ("description", "storage", "tracking", "resources", "margin")


def retire_unusable(
    ledger: Ledger,
    known: dict[str, TrialRecord],
    planner: Planner,
    planned: list[Trial],
    *,
    accept: bool,
    say: Callable[[str], None],
) -> dict[str, TrialRecord]:
    """The records that belong to the study as it is now.

    Others mean that the file (or the data) changed: raises UserError with the changed keys and what is still usable,
    or, when the change is accepted, moves them to `retired/`. A mere extension goes on by itself.
    """
    before = ledger.read_study()
    if before is None and known:
        raise UserError(f"{ledger.storage}: holds trial records but no study.json; restore it or use another --storage")
    if before is None:
        return known
    new = planner.config.model_dump(mode="json")
    harmless = (*HARMLESS, *places(planner.config))
    changed = sorted(key for key in _differences(before["config"], new) if not key.startswith(harmless))
    labels = {trial.id: trial.label for trial in planned}
    same_search = not any(key.startswith(("designs.search", "metric", "seeds", "losses")) for key in changed)
    unusable = [i for i, record in known.items() if not _usable(record.trial, labels, planner, same_search)]
    if not unusable:
        if changed and known:
            say(f"the study was extended ({_listed(changed)}); all {len(known)} recorded trials stay usable")
        return known
    if not accept:
        what = _listed(changed) or "the data or the backbone's weights (the study file is the same)"
        raise UserError(
            f"{ledger.storage}: the study changed after trials were recorded: {what}. {len(known) - len(unusable)} of "
            f"{len(known)} recorded trials are still usable. Undo the change, give another --storage, or give "
            "--accept-changes to set the others aside (they are kept in retired/)"
        )
    for trial_id in unusable:
        ledger.retire(trial_id)
    say(f"{len(unusable)} trials of the former study were moved to retired/")
    return {key: record for key, record in known.items() if key not in set(unusable)}


def _usable(trial: Trial, labels: dict[str, str], planner: Planner, same_search: bool) -> bool:
    if trial.design in ("sweep", "sobol"):
        return labels.get(trial.id) == trial.label
    return same_search and trial.data == planner.data and trial.trainable == planner.trainable


def _differences(old: Any, new: Any, place: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = old.keys() | new.keys()
        return [d for key in keys for d in _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)]
    return [] if old == new else [place]


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:6]) + (", ..." if len(keys) > 6 else "")
