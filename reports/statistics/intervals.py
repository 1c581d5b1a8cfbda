"""Intervals and tests with the seed as the unit of replication. numpy and scipy only, no drawing.

Letters: L levels, S seeds, H settings, G groups of test images. Scores are in the unit of their metric. NaN marks a
missing cell (a failed trial); it is left out, never imputed. R-numbers are those of docs/reading.md.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from evenkeel.reports.statistics.spending import Looks, level_at

MIN_SEEDS = 5
"""With fewer seeds an interval is not shown: at n = 3 none of the usual ones covers what it claims."""

CONFIDENCE = 0.95
IMAGE_DEGREES = 49
"""Degrees of freedom of what test images add: trials record 50 groups of them, a small test split fewer."""
POWER = 0.8
"""Share of studies in which a number of seeds should settle what it is said to settle."""


class Interval(NamedTuple):
    """A point estimate with its interval (NaN ends when there are too few seeds) and the number of seeds.

    `seed_half_width` and `image_half_width` are what seeds and test images alone add to half the width, in the unit of
    the value; NaN where it is unknown.
    """

    value: float
    low: float
    high: float
    n: int
    seed_half_width: float = np.nan
    image_half_width: float = np.nan


def turned(interval: Interval, sign: int) -> Interval:
    """The interval of sign times the value, sign 1 or -1."""
    if sign > 0:
        return interval
    return interval._replace(value=-interval.value, low=-interval.high, high=-interval.low)


def of_share(interval: Interval) -> Interval:
    """The interval of a share or probability, which has no ends beyond 0 and 1."""
    low, high = np.clip((interval.low, interval.high), 0, 1)
    return interval._replace(low=float(low), high=float(high))


def complement(interval: Interval) -> Interval:
    """The interval of 1 minus the value."""
    return interval._replace(value=1 - interval.value, low=1 - interval.high, high=1 - interval.low)


def t_interval(
    values: np.ndarray, confidence: float = CONFIDENCE, error: float = 0.0, *, shared: float = 0.0, looks: Looks = ()
) -> Interval:
    """Student's interval of the mean over seeds, values [S]; NaN is left out, fewer than MIN_SEEDS values give no ends.

    `error` is the standard error that the choice of test images adds, the same for all seeds: half the width is
    sqrt((t s / sqrt n)^2 + (t' error)^2), t' of IMAGE_DEGREES. `shared`: where each seed has its own bootstrap of the
    train rows, the part of their variance that seeds share (`MeasureFacts.shared`); `standard_error_factor` then takes
    the place of 1 / sqrt n. `looks`: where seeds go where they decide, the interval is wider by what these looks cost
    (`level_at`).
    Source: Student 1908; R2.
    """
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(values.mean())
    if n < MIN_SEEDS:
        return Interval(mean, np.nan, np.nan, n)
    spread = values.std(ddof=1)
    if looks:
        fixed = shared + (error / spread) ** 2 if spread else np.inf
        confidence = 1 - 2 * float(level_at(0.5 - confidence / 2, np.array(n), np.array(fixed), looks))
    seed_half_width = float(t_quantile(0.5 + confidence / 2, n - 1) * (spread * standard_error_factor(n, shared)))
    image_half_width = t_quantile(0.5 + confidence / 2, IMAGE_DEGREES) * error
    half = float(np.hypot(seed_half_width, image_half_width))
    return Interval(mean, mean - half, mean + half, n, seed_half_width, image_half_width)


def standard_error_factor(n: Any, shared: float) -> Any:
    """Standard deviation of a mean over n seeds, in that of a single seed; n is a number or an array of numbers [N].

    Where each seed trains on a bootstrap of the one set of train rows, the mean is a bagged score, and another training
    set moves it by more than the seeds say of each other's mean: by `shared` of their variance, however many there are.
    """
    return np.sqrt(shared + 1 / n)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t."""
    return float(stats.t.ppf(probability, degrees))


@cache
def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal."""
    return float(stats.norm.ppf(probability))


def jackknife_error(values: np.ndarray) -> np.ndarray:
    """Standard error by the delete-group jackknife, from values without each of G groups: [..., G] to [...].

    As if of IMAGE_DEGREES: fewer groups (patients, say) make it larger, by what they widen an interval of 99 %.
    Source: Efron and Stein 1981; Kott 2001 for random groups.
    """
    num_groups = values.shape[-1]
    deviations = values - values.mean(-1, keepdims=True)
    wider = t_quantile(0.995, max(1, num_groups - 1)) / t_quantile(0.995, IMAGE_DEGREES)
    return np.sqrt((num_groups - 1) / num_groups * (deviations**2).sum(-1)) * wider


def worst_drop(
    differences_LS: np.ndarray,
    confidence: float = CONFIDENCE,
    image_errors_L: np.ndarray | None = None,
    *,
    shared: float = 0.0,
    looks: Looks = (),
    num_unfilled: int = 0,
) -> Interval:
    """R5: the lowest mean over levels, min_k D0(k), with an interval that allows for the choice of the level.

    differences_LS [L, S]: F_r(k) - F_r(default); rows of the default are left out by the caller. Levels with fewer than
    MIN_SEEDS finite seeds are left out while others have enough. The low end is the lowest of the levels' own t-limits
    (an intersection-union argument: safe for the claim "no level drops more"), the high end the lowest of their limits
    at a confidence corrected for the number of levels (safe for "some level drops more"). `image_errors_L` [L] holds
    the `error` of each level; it, `shared` and `looks` as in t_interval. `num_unfilled` levels more could have run.
    """
    kept = rows_with_enough_seeds(differences_LS)
    if not len(kept):
        return Interval(np.nan, np.nan, np.nan, 0)
    errors = np.zeros(len(differences_LS)) if image_errors_L is None else image_errors_L
    corrected = 1 - (1 - confidence) / (len(kept) + num_unfilled)
    own = [t_interval(differences_LS[k], confidence, errors[k], shared=shared, looks=looks) for k in kept]
    highs = [t_interval(differences_LS[k], corrected, errors[k], shared=shared, looks=looks).high for k in kept]
    lowest = min(own, key=lambda i: i.low)
    value, n = min(i.value for i in own), min(i.n for i in own)
    return Interval(value, lowest.low, min(highs), n, lowest.seed_half_width, lowest.image_half_width)


def rows_with_enough_seeds(values_LS: np.ndarray) -> np.ndarray:
    """Numbers of the rows of [L, S] with MIN_SEEDS finite values; where no row has as many, of those that have any."""
    counts = np.isfinite(values_LS).sum(-1)
    return np.flatnonzero(counts >= (MIN_SEEDS if (counts >= MIN_SEEDS).any() else 1))


def wilson(successes: float, total: int, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a rate in [0, 1]. `successes` may be a mean over seeds; scipy's takes whole numbers only.

    Source: Wilson 1927.
    """
    if total == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    z = normal_quantile(0.5 + confidence / 2)
    rate, spread = successes / total, z * z / total
    centre = (rate + spread / 2) / (1 + spread)
    half = z * np.sqrt(rate * (1 - rate) / total + spread / (4 * total)) / (1 + spread)
    return Interval(rate, max(0.0, float(centre - half)), min(1.0, float(centre + half)), total)


def nan_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over an axis without NaN, [..., S] to [...]; NaN (silently) where nothing is left."""
    finite = np.isfinite(values)
    if values.size and finite.all():
        return values.mean(axis)
    counts, sums = finite.sum(axis), np.where(finite, values, 0).sum(axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
