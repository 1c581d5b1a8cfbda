"""What a search and a feed remember of a recorded trial."""

from typing import NamedTuple


class Known(NamedTuple):
    """What is known of a trial that was recorded: its state and its scores on validation."""

    state: str
    scores: dict[str, float | None]
