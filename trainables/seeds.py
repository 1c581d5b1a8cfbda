"""What the seeds of a study vary: each source of variation gets the trial's seed, or one seed for the whole study."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Self, get_args

import numpy as np

from evenkeel.trainables.random_streams import stream

Source = Literal["init", "order", "split", "train_rows", "backbone"]
SOURCES: tuple[Source, ...] = get_args(Source)
USUAL: tuple[Source, ...] = ("init", "order", "split")
"""What seeds vary when a study does not say."""

FIXED = 0
"""The seed of a source that does not vary."""


class Seeds(NamedTuple):
    """The seed of each source for one trial; None: no bootstrap of the train rows."""

    init: int
    order: int
    split: int
    train_rows: int | None
    backbone: int

    @classmethod
    def of(cls, vary: Sequence[Source] | None, seed: int) -> Self:
        """The sources of a trial of `seed` in a study that varies `vary`."""
        varied = USUAL if vary is None else vary
        init, order, split, train_rows, backbone = (seed if source in varied else FIXED for source in SOURCES)
        return cls(init, order, split, train_rows if "train_rows" in varied else None, backbone)


def in_order(vary: Iterable[str] | None) -> list[Source] | None:
    """Each source once, in one order; what seeds vary anyway is None, however it is written."""
    ordered = [source for source in SOURCES if source in (vary or ())]
    return None if vary is None or ordered == list(USUAL) else ordered


def part_of_parts(part: tuple[int, int] | None) -> tuple[int, int] | None:
    """[j, k] itself. Raises ValueError unless 0 <= j < k and k is at least two."""
    if part and not 0 <= part[0] < part[1] > 1:
        raise ValueError(f"must be [j, k] with 0 <= j < k and k at least 2, got {list(part)}")
    return part


def rows_of_part(rows: np.ndarray, targets: np.ndarray, group: np.ndarray | None, part: tuple[int, int]) -> np.ndarray:
    """Those of `rows` [n] that lie in part j of k, where all N images are dealt at random into k disjoint parts.

    targets [N, C] 0/1 and group [N] (whole groups stay together) are those of all rows. The parts are the same for
    every seed and split; a class without a positive in its part gets one.
    """
    number, num_parts = part
    units = np.arange(len(targets)) if group is None else np.unique(group, return_inverse=True)[1]
    dealt = stream(0, "train_part").permutation(int(units.max()) + 1) % num_parts
    return _with_every_class(rows[dealt[units[rows]] == number], rows, targets, stream(0, "train_part", number))


def bootstrap(rows: np.ndarray, targets: np.ndarray, group: np.ndarray | None, seed: int) -> np.ndarray:
    """As many row numbers drawn with replacement from `rows`, whole groups where there are any (so about as many).

    targets [N, C] 0/1 and group [N] are those of all rows. A class that would lose its last positive gets one back.
    Source: Efron 1979; Field and Welsh 2007 for groups.
    """
    rng = stream(seed, "train_rows")
    units = np.arange(len(rows)) if group is None else np.unique(group[rows], return_inverse=True)[1]
    num_units = int(units.max()) + 1
    times = np.bincount(rng.integers(num_units, size=num_units), minlength=num_units)
    drawn = np.repeat(rows, times[units])
    return _with_every_class(drawn, rows, targets, rng)


def _with_every_class(drawn: np.ndarray, rows: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`drawn` [n], and one of `rows` for each class that has positives in these and none among the drawn."""
    lost = (targets[rows].sum(0) > 0) & (targets[drawn].sum(0) == 0)
    for c in np.flatnonzero(lost):
        drawn = np.append(drawn, rng.choice(rows[targets[rows, c] > 0]))
    return drawn
