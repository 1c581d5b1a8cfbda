"""The little of a record that planning, searching and counting need: a study of a million trials fits into memory."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from sys import intern
from typing import cast

from evenkeel.study.records.record import TrialRecord
from evenkeel.trainables.result import State
from evenkeel.trainables.trial import Design

GROUP, GROUP_END = re.compile(r"\| \w*ExceptionGroup: "), re.compile(r"\+-+")
"""Lines of Python's traceback of an exception group."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """`identity` is that of data and trainable; `scores` are metrics, those asked for; `reason` why a trial failed."""

    id: str
    label: str
    design: Design
    state: State
    identity: str
    scores: dict[str, float | None]
    wall_s: float
    reason: str

    @classmethod
    def from_record(cls, record: TrialRecord, scores: Collection[str] = ()) -> "IndexEntry":
        """The entry of a record, with the named scores."""
        trial = record.trial
        return cls(
            id=record.id,
            label=intern(trial.label),
            design=cast(Design, intern(trial.design)),
            state=cast(State, intern(record.state)),
            identity=intern(trial.identity),
            scores={name: record.metrics[name] for name in scores if name in record.metrics},
            wall_s=record.wall_s,
            reason=extract_reason(record.note or "") if record.state == "failed" else "",
        )


def extract_reason(note: str) -> str:
    """The last line that says anything: of a traceback, the error itself; of one of a group, what holds the others."""
    lines = [line.strip() for line in note.splitlines() if line.strip()]
    if lines and GROUP_END.fullmatch(lines[-1]):
        lines = [line.removeprefix("| ") for line in lines if GROUP.match(line)][:1] or lines
    return lines[-1][:300] if lines else "no reason was given"
