"""A pack of trials as it goes to a worker, and what the driver hears of it."""

from dataclasses import dataclass, field

from evenkeel.study.run.pack_sizing import PackCost
from evenkeel.trainables import Trial
from evenkeel.trainables.result import State

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Pack:
    """Trials that share data, and settings and seed unless they run one after the other."""

    number: int
    trials: list[Trial]

    def __str__(self) -> str:
        return f"pack{self.number}"

    __repr__ = __str__

    def __deepcopy__(self, memo: object) -> "Pack":
        """Itself: Tune copies configurations."""
        return self


@dataclass(frozen=True)
class PackReport:
    """What the driver hears of a pack: state and the scores of the context by trial id, or the error that ended it.

    `errors` are those of trials that failed by themselves, by id, while others went on. `skipped` means that the run
    was stopping before the pack began, `is_cut_short` that trials which it does not name were not begun since its time
    was up; `storage_error` is the one line of a place that cannot be written: no other pack would fare better.
    """

    states: dict[str, State] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    skipped: bool = False
    is_cut_short: bool = False
    storage_error: str | None = None
    cost: PackCost | None = None
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    """By trial id, of trials that were stopped: what they were judged by."""

    @property
    def num_trials(self) -> int:
        """How many trials were run."""
        return len(self.states) + len(self.errors)
