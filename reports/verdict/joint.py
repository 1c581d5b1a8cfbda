"""One verdict of several studies: the same losses and hyperparameters on several data sets.

The data set is the unit of replication. Two intervals answer two questions. Over sets: what would another data set of
this kind show? Student's t over the sets' means, which holds seeds, train rows, test images and what differs from set
to set; it needs MIN_SETS of them. On these sets: what is the mean over just these? It holds the errors within sets.
Letters: D data sets, K levels that all of them moved to, S seeds.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.curves import areas
from evenkeel.reports.statistics.error_model import ALPHA, Estimates
from evenkeel.reports.statistics.intervals import MIN_SEEDS, Interval, of_share, t_interval
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.verdict.family import Family, Key, family_of, judgements
from evenkeel.reports.verdict.verdict import (
    NOT_JUDGED,
    SENSITIVE,
    SIZE_OPEN,
    STEADY,
    TOO_NOISY,
    Judgement,
    Standard,
    deciding_interval,
    estimates_of,
)

MIN_SETS = MIN_SEEDS
"""With fewer data sets no interval over sets is shown: of three or four none covers what it claims."""
FEW_SETS = "too few data sets"


class JudgedSets(NamedTuple):
    """D data sets, each with its family, verdicts and margin, and what all of them swept from one default."""

    families: list[Family]
    verdicts: list[dict[Key, Judgement]]
    margins: list[float]
    keys: list[Key]

    @property
    def losses(self) -> list[str]:
        """The losses that have anything in common on all sets."""
        return list(dict.fromkeys(loss for loss, _ in self.keys))

    def shared_names(self, losses: Sequence[str]) -> list[str]:
        """The hyperparameters that all of these losses have on all sets."""
        names = dict.fromkeys(name for _, name in self.keys)
        return [name for name in names if all((loss, name) in self.keys for loss in losses)]

    def judged_on(self, losses: Sequence[str], names: Sequence[str]) -> list[int]:
        """Numbers of the sets on which all of these losses are judged in all of these hyperparameters."""
        needed = [(loss, name) for loss in losses for name in names]
        return [d for d, own in enumerate(self.verdicts) if all(own[key].status != NOT_JUDGED for key in needed)]


def judged_sets(studies: Mapping[str, pd.DataFrame]) -> JudgedSets:
    """The studies, all shown by one metric, each judged on its own."""
    families = [family_of(table) for table in studies.values()]
    keys = [key for key in families[0].sweeps if all(key in family.sweeps for family in families)]
    return JudgedSets(
        families,
        [judgements(table) for table in studies.values()],
        [facts_of(table).margin for table in studies.values()],
        [key for key in keys if len(_level_means(families, key)[0].T)],
    )


class JointCell(NamedTuple):
    """One loss in one hyperparameter over D data sets; intervals of the largest mean drop, in the metric's unit."""

    loss: str
    name: str
    num_sets: int
    """Sets on which it is judged; the others are left out."""
    counts: dict[str, int]
    """Verdict -> on how many sets."""
    over_sets: Interval
    on_these: Interval
    status: str


class JointPair(NamedTuple):
    """Two losses over the hyperparameters that both have on all sets, on the sets where all of that is judged."""

    first: str
    second: str
    num_sets: int
    steadier: int
    """Sets on which the worst mean change of the first is the smaller one."""
    improvement: Interval
    """Probability that a seed of the first loses less than one of the second, mean over sets; 0.5: alike."""


def joint_cells(sets: JudgedSets) -> list[JointCell]:
    """Every loss and hyperparameter that all sets have; verdicts share an error of ALPHA."""
    margin = sets.margins[0] if len(set(sets.margins)) == 1 else np.nan
    standard = Standard(steady=ALPHA / max(1, len(sets.keys)), drop=ALPHA / 2 / max(1, len(sets.keys)))
    cells = []
    for loss, name in sets.keys:
        statuses = [own[loss, name].status for own in sets.verdicts]
        judged = [sets.families[d] for d in sets.judged_on([loss], [name])]
        if not judged:
            continue
        means_DK, errors_DK = _level_means(judged, (loss, name))
        over_sets = deciding_interval(over_data_sets(means_DK), standard)
        cells.append(
            JointCell(
                loss,
                name,
                len(judged),
                {status: statuses.count(status) for status in dict.fromkeys(statuses)},
                over_sets,
                deciding_interval(_on_these(means_DK, errors_DK), standard),
                _status(over_sets, margin),
            )
        )
    return cells


def over_data_sets(means_DK: np.ndarray) -> Estimates:
    """Means over data sets [D, K] as estimates whose unit is the set."""
    num, num_levels = means_DK.shape
    spreads = means_DK.std(0, ddof=1) if num > 1 else np.full(num_levels, np.nan)
    degrees = np.full(num_levels, max(1.0, num - 1.0))
    return Estimates(means_DK.mean(0), spreads, degrees, np.zeros(num_levels), np.full(num_levels, num))


def joint_pairs(sets: JudgedSets) -> list[JointPair]:
    """Every two losses that share a hyperparameter on all sets."""
    pairs = []
    for first, second in combinations(sets.losses, 2):
        names = sets.shared_names((first, second))
        judged = [sets.families[d] for d in sets.judged_on((first, second), names)]
        if names and judged:
            sweeps = [[[family.sweeps[loss, n] for n in names] for loss in (first, second)] for family in judged]
            worst_D2 = np.array([[min(map(_worst, part)) for part in pair] for pair in sweeps])
            better_D = np.array([_improvement(*map(_lost, pair)) for pair in sweeps])
            steadier = int((worst_D2[:, 0] > worst_D2[:, 1]).sum())
            pairs.append(JointPair(first, second, len(judged), steadier, of_share(t_interval(better_D))))
    return pairs


def sets_for_order() -> int:
    """The fewest data sets on which "steadier on all of them" is surely more than chance, by a two-sided sign test."""
    return int(np.ceil(1 - np.log2(ALPHA)))


def _level_means(families: Sequence[Family], key: Key) -> tuple[np.ndarray, np.ndarray]:
    """Mean differences from the default and their errors within sets, [D, K] each, at levels that all sets have."""
    sweeps = [family.sweeps[key] for family in families]
    levels = [[sweep.levels[k] for k in sweep.moved] for sweep in sweeps]
    same_default = len({repr(sweep.levels[sweep.default]) for sweep in sweeps}) == 1
    shared = [value for value in levels[0] if same_default and all(value in own for own in levels)]
    rows = [np.array([own.index(value) for value in shared], int) for own in levels]
    estimates = [
        estimates_of(sweep, family.standard.noise).rows(kept)
        for sweep, family, kept in zip(sweeps, families, rows, strict=True)
    ]
    means_DK, errors_DK = (np.array([getattr(e, name) for e in estimates]) for name in ("means", "errors"))
    measured = np.isfinite(means_DK).all(0)
    return means_DK[:, measured], errors_DK[:, measured]


def _on_these(means_DK: np.ndarray, errors_DK: np.ndarray) -> Estimates:
    """The mean over these very sets: errors within sets alone, which are independent between them."""
    num_levels = means_DK.shape[1]
    errors = np.sqrt((errors_DK**2).sum(0)) / len(means_DK)
    seeds = np.where(np.isfinite(errors), MIN_SEEDS, 1)
    return Estimates(means_DK.mean(0), np.zeros(num_levels), np.ones(num_levels), np.nan_to_num(errors), seeds)


def _status(drop: Interval, margin: float) -> str:
    if not np.isfinite(drop.low):
        return FEW_SETS
    if drop.high < -margin:
        return SENSITIVE
    if drop.low > -margin:
        return STEADY
    return SIZE_OPEN if drop.high < 0 else TOO_NOISY


def _worst(sweep: Sweep) -> float:
    means = np.array([interval.value for interval in sweep.reference])[sweep.moved]
    return float(np.nanmin(means)) if np.isfinite(means).any() else np.nan


def _lost(sweeps: list[Sweep]) -> np.ndarray:
    """What each seed loses on average over levels and hyperparameters, [S]."""
    return np.mean([areas(sweep.differences_LS, sweep.default) for sweep in sweeps], axis=0)


def _improvement(first_S: np.ndarray, second_S: np.ndarray) -> float:
    """The share of pairs of seeds in which the first loses less, ties half. Source: Agarwal et al. 2021 (rliable)."""
    first, second = first_S[np.isfinite(first_S)], second_S[np.isfinite(second_S)]
    if not len(first) or not len(second):
        return np.nan
    return float(np.mean(np.sign(second - first[:, None]) / 2 + 0.5))
