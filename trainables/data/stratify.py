"""Splitting with rare classes in mind: rows of one group stay together, no class loses its last training row."""

import numpy as np

from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.random_streams import stream

GROUPS = ("head", "medium", "tail")


def rows_of(
    split: np.ndarray, targets: np.ndarray, group: np.ndarray | None, validation: Validation | None, seed: int
) -> dict[str, np.ndarray]:
    """Row numbers of train, val and test, from split codes [N], targets [N, C] and group [N].

    With `validation`, val is carved from train and the official val together, by seed if it says so.
    """
    if validation:
        train = np.flatnonzero(split != SPLITS.index("test"))
        rng = stream(seed if validation.per_seed else 0, "split")
        inside = None if group is None else group[train]
        chosen = carve(targets[train], inside, fraction=validation.fraction, rng=rng)
        split = split.copy()
        split[train] = np.where(chosen, SPLITS.index("val"), SPLITS.index("train"))
    return {name: np.flatnonzero(split == code) for code, name in enumerate(SPLITS)}


def class_groups(counts: list[int], head_min: int, tail_below: int) -> dict[str, list[int]]:
    """Class numbers by training positives: head n >= head_min, tail n < tail_below, medium between (D24)."""
    groups: dict[str, list[int]] = {name: [] for name in GROUPS}
    for c, count in enumerate(counts):
        groups["head" if count >= head_min else "tail" if count < tail_below else "medium"].append(c)
    return groups


def carve(targets: np.ndarray, group: np.ndarray | None, *, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Choose about `fraction` of the rows, class by class from the rarest on. Returns a boolean mask [N].

    targets [N, C] 0/1, group [N] or None. Every class keeps at least one row outside. Rows without labels are drawn
    at the same rate. A group that would overshoot the wanted rows by more than a quarter stays outside: fewer rows may
    be chosen then, or none.
    """
    units = np.arange(len(targets)) if group is None else np.unique(group, return_inverse=True)[1]
    num_units = int(units.max()) + 1
    counts = np.zeros((num_units, targets.shape[1]), dtype=np.int64)
    np.add.at(counts, units, targets)
    sizes = np.bincount(units, minlength=num_units)
    total = counts.sum(0)
    chosen = np.zeros(num_units, dtype=bool)
    taken = np.zeros_like(total)
    num_rows, wanted_rows = 0, round(fraction * len(targets))
    order = rng.permutation(num_units)

    def take(unit: int) -> bool:
        nonlocal num_rows
        if chosen[unit] or num_rows + sizes[unit] > max(1, 1.25 * wanted_rows):
            return False
        if np.any((counts[unit] > 0) & (taken + counts[unit] >= total)):
            return False
        chosen[unit] = True
        taken[:] += counts[unit]
        num_rows += sizes[unit]
        return True

    for c in np.argsort(total, kind="stable"):
        num_wanted = round(fraction * total[c])
        for unit in order[counts[order, c] > 0]:
            if taken[c] >= num_wanted or num_rows >= wanted_rows:
                break
            take(unit)
    quota = np.ceil(fraction * total)
    for over_quota in (False, True):
        for unit in order:
            if num_rows >= wanted_rows:
                break
            if over_quota or not np.any((counts[unit] > 0) & (taken + counts[unit] > quota)):
                take(unit)
    return chosen[units]


def folds(targets: np.ndarray, group: np.ndarray | None, *, num: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each row, [N] in 0 .. num - 1: alike in size and in positives of every class, groups whole.

    targets [N, C] 0/1, group [N] or None. Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011): the rarest
    class first, each of its groups to the fold that lacks it most.
    """
    units = np.arange(len(targets)) if group is None else np.unique(group, return_inverse=True)[1]
    counts = np.zeros((int(units.max()) + 1, targets.shape[1]))
    np.add.at(counts, units, targets)
    sizes = np.bincount(units).astype(float)
    lacking = np.tile(counts.sum(0) / num, (num, 1))
    room = np.full(num, len(targets) / num)
    home = np.full(len(counts), -1)
    order = rng.permutation(len(counts))

    def settle(unit: int, missing: np.ndarray) -> None:
        home[unit] = fold = np.lexsort((room, missing))[-1]
        lacking[fold] -= counts[unit]
        room[fold] -= sizes[unit]

    while (left := counts[home < 0].sum(0)).any():
        rarest = int(np.where(left > 0, left, np.inf).argmin())
        for unit in order[(home[order] < 0) & (counts[order, rarest] > 0)]:
            settle(unit, lacking[:, rarest])
    for unit in order[home[order] < 0]:
        settle(unit, room)
    return home[units]
