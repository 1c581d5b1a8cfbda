"""The little of a record that planning, searching and counting need: a study of a million trials fits into memory."""

from collections.abc import Collection
from dataclasses import dataclass
from sys import intern

from evenkeel.study.records.record import TrialRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """`identity` is that of data and trainable; `scores` are metrics, those asked for; `reason` why a trial failed."""

    id: str
    label: str
    design: str
    state: str
    identity: str
    scores: dict[str, float | None]
    wall_s: float
    reason: str

    @classmethod
    def of(cls, record: TrialRecord, scores: Collection[str] = ()) -> "Entry":
        """The entry of a record, with the named scores."""
        trial = record.trial
        return cls(
            id=record.id,
            label=intern(trial.label),
            design=intern(trial.design),
            state=intern(record.state),
            identity=intern(trial.identity),
            scores={name: record.metrics[name] for name in scores if name in record.metrics},
            wall_s=record.wall_s,
            reason=reason_of(record.note or "") if record.state == "failed" else "",
        )


def reason_of(note: str) -> str:
    """The last line that says anything: of a traceback, the error itself."""
    lines = [line.strip() for line in note.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason was given"
