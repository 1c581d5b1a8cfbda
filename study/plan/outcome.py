"""What a search and a queue remember of a recorded trial."""

from typing import NamedTuple

from evenkeel.trainables.result import State


class Outcome(NamedTuple):
    """A recorded trial: its state, its scores on validation by name; of one that was stopped, the curve by which."""

    state: State
    scores: dict[str, float | None]
    curve: tuple[float | None, ...] = ()
