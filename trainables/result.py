"""What one trial gave, and the states in which it can end."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

State = Literal["done", "diverged", "failed", "censored"]
"""done: trained to its end; diverged: its loss left the finite numbers, and it is scored at the floor; failed:
something was raised, or its worker died; censored: it was cut off on purpose, and its numbers count for nothing."""

STATES: tuple[State, ...] = get_args(State)


MAX_NUMBER = 1e100
"""What is larger cannot be squared and summed by statistics: it counts as not finite."""


@dataclass(frozen=True)
class Result:
    """What one trial gave.

    `metrics` are numbers by column name (`<split>_<measure>`), `per_class` one value a class [C], `images` a metric
    without each group of test images [G], `curves` one value an epoch; all None where undefined. `wall_s` are seconds,
    `loss_path` says how the loss was computed, `note` what a reader should know of the trial. `files` are large results
    (predictions, coordinates, pictures) by name: paths of files under the `place` that `Worker.run` was given; the
    ledger moves them beside the record.
    """

    state: State
    metrics: dict[str, float | None] = field(default_factory=dict)
    per_class: dict[str, list[float | None]] = field(default_factory=dict)
    images: dict[str, list[float | None]] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    epochs_done: int = 0
    wall_s: float = 0.0
    loss_path: str = ""
    note: str | None = None
    files: dict[str, str] = field(default_factory=dict)


def is_below(place: Path, path: str) -> bool:
    """Whether a path, relative to a folder or absolute, leads to somewhere in the folder, links followed."""
    return (place / path).resolve().is_relative_to(place.resolve())
