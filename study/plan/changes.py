"""A study file that changed after trials were recorded: what changed, what is still usable. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from evenkeel.study.plan.planner import Planner
from evenkeel.trainables import Trial
from evenkeel.trainables.settings import places
from evenkeel.trainables.trial import identity_of

HARMLESS_KEYS = (
    "description",
    "reproduces",
    "storage",
    "tracking",
    "tracking_files",
    "tracking_per_class",
    "resources",
    "margin",
    "trainable.vary",
)
"""Keys that decide no result, or repeat another; paths are harmless too, since contents are known by their hashes."""

SEARCH_KEYS = ("designs.search", "metric", "seeds", "losses")
"""Keys on which the proposals of a search depend."""


@dataclass(frozen=True)
class StudyChanges:
    """The changed keys that may matter, and the ids of recorded trials that are no longer part of the study."""

    keys: list[str]
    unusable: list[str]

    def describe(self) -> str:
        """The keys as a message shows them."""
        if not self.keys:
            return "the data, the backbone's weights, or numbers of this version (the study file is the same)"
        return ", ".join(self.keys[:6]) + (", ..." if len(self.keys) > 6 else "")


class RecordedTrial(Protocol):
    """What must be known of a recorded trial."""

    @property
    def label(self) -> str: ...

    @property
    def design(self) -> str: ...

    @property
    def identity(self) -> str: ...


def find_changes(
    before: dict[str, Any], planner: Planner, planned: list[Trial], recorded: Mapping[str, RecordedTrial]
) -> StudyChanges:
    """What differs between the study as it was (`before`, its configuration) and as it is now."""
    harmless = (*HARMLESS_KEYS, *places(planner.config))
    new = planner.config.model_dump(mode="json")
    keys = sorted(key for key in _differences(before, new) if not key.startswith(harmless))
    labels = {trial.id: trial.label for trial in planned}
    identity = identity_of(planner.data, planner.trainable)
    same_search = not any(key.startswith(SEARCH_KEYS) for key in keys)

    def select_usable(trial_id: str, trial: RecordedTrial) -> bool:
        if trial.design in ("sweep", "sobol"):
            return labels.get(trial_id) == trial.label
        return same_search and trial.identity == identity

    return StudyChanges(keys, [trial_id for trial_id, trial in recorded.items() if not select_usable(trial_id, trial)])


def _differences(old: object, new: object, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield place
