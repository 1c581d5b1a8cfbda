"""What a search and a queue remember of a recorded trial."""

from typing import NamedTuple

from evenkeel.trainables.result import State


class Outcome(NamedTuple):
    """A recorded trial: its state, and its scores on validation by name."""

    state: State
    scores: dict[str, float | None]
