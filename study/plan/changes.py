"""A study that changed after trials were recorded: what changed, what is still usable. Pure.

A trial of a sweep, a pair or of Sobol points is usable if the study plans it. Of a searched one that is not known
before the search is replayed, so its search is compared instead: that of one loss, whatever the study calls it and
whatever other losses it has.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from evenkeel.study.file.designs import SearchDesign
from evenkeel.study.file.seeds import list_seeds
from evenkeel.study.file.study import Entry
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

EXTENDED_KEYS = ("trials", "fresh_seeds", "groups")
"""Of a search: with more of them it goes on from what is there."""
FREE_KEYS = ("batch", "start", "pruner")
"""Of a search: they may become anything at any time; what was asked stays."""
DEFAULTS = SearchDesign().model_dump(mode="json")
"""What a key is that a former version did not have."""

EMPTY: tuple[object, ...] = ([], {})
"""What a key that a former version did not have is where a study does not use it."""

MAX_LISTED = 6
"""Changes that a message names."""


@dataclass(frozen=True)
class StudyChanges:
    """The changed keys that may matter, and the ids of recorded trials that are no longer part of the study.

    `sources` are the user's own classes and functions whose code changed; `labels` the new label of each recorded trial
    whose loss is called otherwise now, by id.
    """

    keys: list[str]
    unusable: list[str]
    sources: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """What changed, as a message shows it."""
        changed = [*(f"the code of {reference}" for reference in self.sources), *self.keys]
        if not changed:
            return "the data, the backbone's weights, or numbers of this version (the study file is the same)"
        return ", ".join(changed[:MAX_LISTED]) + (", ..." if len(changed) > MAX_LISTED else "")


class RecordedTrial(Protocol):
    """What must be known of a recorded trial."""

    @property
    def label(self) -> str: ...

    @property
    def design(self) -> str: ...

    @property
    def identity(self) -> str: ...


def find_changes(
    before: dict[str, Any],
    sources: dict[str, str],
    planner: Planner,
    planned: list[Trial],
    recorded: Mapping[str, RecordedTrial],
) -> StudyChanges:
    """What differs between the study as it was and as it is now.

    `before` is its former configuration as JSON, `sources` the fingerprints of the user's own code that it named;
    `recorded` are the trials by id.
    """
    harmless = (*HARMLESS_KEYS, *places(planner.config))
    new = planner.config.model_dump(mode="json")
    keys = sorted(key for key in _differences(before, new) if not key.startswith(harmless))
    changed = [name for name, value in planner.sources.items() if name in sources and sources[name] != value]
    planned_labels = {trial.id: trial.label for trial in planned}
    searches = _find_same_searches(before, new, planner, changed)
    identity = identity_of(planner.data, planner.trainable)

    def find_label(trial_id: str, trial: RecordedTrial) -> str | None:
        """What the study calls the loss of a trial; None for a trial that is none of its own."""
        if trial.design in ("sweep", "pair", "sobol"):
            return planned_labels.get(trial_id)
        same = trial.identity == identity and (trial.design == "search" or _has_same_fresh_seeds(before, planner))
        return searches.get(trial.label) if same else None

    labels = {trial_id: find_label(trial_id, trial) for trial_id, trial in recorded.items()}
    return StudyChanges(
        keys=keys,
        unusable=[trial_id for trial_id, label in labels.items() if label is None],
        sources=changed,
        labels={i: label for i, label in labels.items() if label is not None and label != recorded[i].label},
    )


def _find_same_searches(
    before: dict[str, Any], new: dict[str, Any], planner: Planner, changed: list[str]
) -> dict[str, str]:
    """Former label -> label of each loss whose search proposes what it proposed before."""
    if not _is_same_search(before, new):
        return {}
    labels = {_content(entry.model_dump(mode="json")): entry.label for entry in reversed(planner.config.entries)}
    own = {entry.label: _content(entry.model_dump(mode="json")) for entry in planner.config.entries}
    same = {}
    for entry in (*before.get("losses", ()), *before.get("methods", ())):
        content, label = _content(entry), entry.get("label", entry.get("name"))
        kept = label if own.get(label) == content else labels.get(content)
        if kept is not None and _find_entry(planner, kept).loss not in changed:
            same[label] = kept
    return same


def _is_same_search(before: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether what all searches of a study share is the same, or an extension."""
    old, now = (study.get("designs", {}).get("search") for study in (before, new))
    if old is None or now is None:
        return False
    extended = all(now[key] >= old.get(key, 0) for key in EXTENDED_KEYS)
    free = (*EXTENDED_KEYS, *FREE_KEYS)
    rules = [{key: value for key, value in (DEFAULTS | search).items() if key not in free} for search in (old, now)]
    num_seeds = old.get("groups", 1) * old.get("seeds_per_group", 1)
    same_seeds = list_seeds(before.get("seeds", []))[:num_seeds] == list_seeds(new["seeds"])[:num_seeds]
    same_rest = all(before.get(key) == new.get(key) for key in ("metric", "spaces"))
    return extended and rules[0] == rules[1] and same_seeds and same_rest


def _has_same_fresh_seeds(before: dict[str, Any], planner: Planner) -> bool:
    """Whether winners are confirmed on the seeds on which they were confirmed before, or on more."""
    return max(list_seeds(before.get("seeds", [])), default=-1) == max(planner.config.all_seeds)


def _content(entry: dict[str, Any]) -> str:
    """What of a loss or method of a study decides its search: not its label, nor the levels of its sweep."""
    own = [entry.get("function"), entry.get("spaces")] if "function" in entry else []
    return json.dumps([entry.get("loss"), entry.get("fixed"), entry.get("settings") or {}, *own], sort_keys=True)


def _find_entry(planner: Planner, label: str) -> Entry:
    return next(entry for entry in planner.config.entries if entry.label == label)


def _differences(old: object, new: object, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new and not (old is None and new in EMPTY):
        yield place
