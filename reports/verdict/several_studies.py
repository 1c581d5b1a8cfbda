"""Whether a hyperparameter of a loss moves the score differently in several studies.

It is a test, not a comparison of verdicts, since verdicts on one flat truth differ by chance. At each level that two
studies share, the mean differences from the default are compared, with the errors of both (seeds, train rows, test
images); all levels, cells and pairs of studies are one family. Source: Welch 1947. Letters: L levels.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special

from evenkeel.reports.statistics.error_model import ALPHA, Estimates
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.verdict.family import Family, Key, family_of
from evenkeel.reports.verdict.verdict import estimates_of


def surely_differ(studies: Mapping[str, pd.DataFrame]) -> list[Key]:
    """The losses and hyperparameters whose curves differ between two of the studies; falsely any in at most 5 %."""
    families = [family_of(table) for table in studies.values()]
    p_values = {
        key: np.concatenate([_p_of_pair(*pair, key) for pair in combinations(families, 2)])
        for key in {key: None for family in families for key in family.sweeps}
        if len(families) > 1
    }
    num_tests = sum(np.isfinite(p).sum() for p in p_values.values())
    return [key for key, p in p_values.items() if np.isfinite(p).any() and np.nanmin(p) * num_tests <= ALPHA]


def _p_of_pair(family_a: Family, family_b: Family, key: Key) -> np.ndarray:
    """p of each level [L] that both sweeps moved to, from the same default; none where they share nothing."""
    if key not in family_a.sweeps or key not in family_b.sweeps:
        return np.empty(0)
    first, second = family_a.sweeps[key], family_b.sweeps[key]
    if first.levels[first.default] != second.levels[second.default]:
        return np.empty(0)
    shared = [value for value in _moved_levels(first) if value in _moved_levels(second)]
    numbers = [np.array([_moved_levels(sweep).index(value) for value in shared], int) for sweep in (first, second)]
    return welch_p(
        estimates_of(first, family_a.standard.noise).rows(numbers[0]),
        estimates_of(second, family_b.standard.noise).rows(numbers[1]),
    )


def welch_p(first: Estimates, second: Estimates) -> np.ndarray:
    """Two-sided p of the difference of means of unequal error, row by row, [L]; NaN where one has too few seeds."""
    squares = first.errors**2, second.errors**2
    degrees = first.error_degrees, second.error_degrees
    total = squares[0] + squares[1]
    joint = total**2 / np.maximum(sum(s**2 / d for s, d in zip(squares, degrees, strict=True)), np.finfo(float).tiny)
    gap = np.abs(first.means - second.means)
    t = np.divide(gap, np.sqrt(total), out=np.full_like(gap, np.inf), where=total > 0)
    p = 2 * special.stdtr(np.maximum(joint, 1), -t)
    return np.where(np.isfinite(total), np.where(gap == 0, 1.0, p), np.nan)


def _moved_levels(sweep: Sweep) -> list[object]:
    return [sweep.levels[k] for k in sweep.moved]
