"""Intervals and tests with the seed as the unit of replication. numpy and scipy only, no drawing.

Letters: L levels, S seeds, H settings. NaN marks a missing cell (a failed trial); it is left out, never imputed.
"""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import stats

MIN_SEEDS = 5
"""With fewer seeds an interval is not shown: at n = 3 none of the usual ones covers what it claims."""

CONFIDENCE = 0.95
RESAMPLES = 1000
MAX_EXACT_SEEDS = 16


class Interval(NamedTuple):
    """A point estimate with its interval (NaN ends when there are too few seeds) and the number of seeds."""

    value: float
    low: float
    high: float
    n: int


def t_interval(values: np.ndarray, confidence: float = CONFIDENCE, error: float = 0.0) -> Interval:
    """Student's interval of the mean over seeds, values [S].

    `error` is the standard error that the choice of test images adds, the same for all seeds: half the width is
    sqrt((t s / sqrt n)^2 + (z error)^2).
    """
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(values.mean())
    if n < MIN_SEEDS:
        return Interval(mean, np.nan, np.nan, n)
    of_seeds = t_quantile(0.5 + confidence / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    half = float(np.hypot(of_seeds, stats.norm.ppf(0.5 + confidence / 2) * error))
    return Interval(mean, mean - half, mean + half, n)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t."""
    return float(stats.t.ppf(probability, degrees))


def image_error(values: np.ndarray) -> np.ndarray:
    """Standard error by the delete-group jackknife, from values without each of G groups of images, [..., G] to [...].

    Source: Efron and Stein 1981; Kott 2001 for random groups.
    """
    num_groups = values.shape[-1]
    deviations = values - values.mean(-1, keepdims=True)
    return np.sqrt((num_groups - 1) / num_groups * (deviations**2).sum(-1))


def bca_interval(statistic: Callable[[np.ndarray], np.ndarray], num_seeds: int, rng: np.random.Generator) -> Interval:
    """Bias-corrected and accelerated bootstrap over seeds.

    `statistic` maps rows of seed numbers [R, S] to numbers [R], whatever the order within a row. Everything that was
    chosen from data (an argmax, say) belongs inside it, so that it is chosen anew in every replicate.
    Source: Efron 1987.
    """
    seeds = np.arange(num_seeds)
    value = float(statistic(seeds[None])[0])
    if num_seeds < MIN_SEEDS or not np.isfinite(value):
        return Interval(value, np.nan, np.nan, num_seeds)
    # Few seeds give few distinct resamples: each is computed once.
    rows, times = np.unique(np.sort(rng.integers(num_seeds, size=(RESAMPLES, num_seeds))), axis=0, return_counts=True)
    drawn = np.repeat(statistic(rows), times)
    left_out = statistic(np.array([np.delete(seeds, s) for s in seeds]))
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or np.ptp(drawn) == 0:
        return Interval(value, value, value, num_seeds)
    below = (np.sum(drawn < value) + 0.5 * np.sum(drawn == value)) / len(drawn)
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    spread = left_out.mean() - left_out
    cubes, squares = np.sum(spread**3), np.sum(spread**2)
    acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    z = bias + stats.norm.ppf([0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    low, high = np.quantile(drawn, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return Interval(value, float(low), float(high), num_seeds)


def worst_drop(
    differences_LS: np.ndarray, confidence: float = CONFIDENCE, errors_L: np.ndarray | None = None
) -> Interval:
    """The lowest mean over levels, min_k D0(k), with an interval that allows for the choice of the level.

    differences_LS: F_r(k) - F_r(default); rows of the default are left out by the caller. Levels with fewer than
    MIN_SEEDS finite seeds are left out while others have enough. The low end is the lowest of the levels' own t-limits
    (an intersection-union argument: safe for the claim "no level drops more"), the high end the lowest of their limits
    at a confidence corrected for the number of levels (safe for "some level drops more"). `errors_L` as in t_interval.
    """
    counts = np.isfinite(differences_LS).sum(-1)
    kept = np.flatnonzero(counts >= (MIN_SEEDS if (counts >= MIN_SEEDS).any() else 1))
    if not len(kept):
        return Interval(np.nan, np.nan, np.nan, 0)
    errors = np.zeros(len(counts)) if errors_L is None else errors_L
    corrected = 1 - (1 - confidence) / len(kept)
    own = [t_interval(differences_LS[k], confidence, errors[k]) for k in kept]
    highs = [t_interval(differences_LS[k], corrected, errors[k]).high for k in kept]
    return Interval(min(i.value for i in own), min(i.low for i in own), min(highs), min(i.n for i in own))


def sign_flip_p(differences: np.ndarray) -> float:
    """Exact two-sided sign-flip test of mean 0, differences [S]. NaN below two seeds; six are needed for p < .05."""
    differences = differences[np.isfinite(differences)]
    if len(differences) < 2 or len(differences) > MAX_EXACT_SEEDS:
        return np.nan
    signs = np.array(list(product((-1, 1), repeat=len(differences))))
    flipped = np.abs(signs @ differences)
    return float(np.mean(flipped >= abs(differences.sum()) * (1 - 1e-12)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's correction; NaN stays NaN and does not count."""
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    running = 0.0
    for rank, i in enumerate(known[np.argsort(p_values[known], kind="stable")]):
        running = max(running, min(1.0, (len(known) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def wilson(successes: int, total: int) -> Interval:
    """Wilson's interval of a rate."""
    if total == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    z = stats.norm.ppf(0.5 + CONFIDENCE / 2)
    rate, spread = successes / total, z * z / total
    centre = (rate + spread / 2) / (1 + spread)
    half = z * np.sqrt(rate * (1 - rate) / total + spread / (4 * total)) / (1 + spread)
    return Interval(rate, max(0.0, float(centre - half)), min(1.0, float(centre + half)), total)


def naive_curve(scores_LS: np.ndarray) -> np.ndarray:
    """R1, as RAL Fig. 4: mean over seeds minus the highest such mean, [L]. Biased downwards by its own noise."""
    means = nan_mean(scores_LS)
    return means - np.nanmax(means) if np.isfinite(means).any() else means


def flat_null_p(scores_LS: np.ndarray, rng: np.random.Generator) -> float:
    """R4: how often the naive span is as large when levels are permuted within each seed. NaN below two levels."""
    complete = scores_LS[:, np.isfinite(scores_LS).all(0)]
    if complete.shape[0] < 2 or complete.shape[1] < 2:
        return np.nan
    spread = np.ptp(complete.mean(1))
    permuted = rng.permuted(np.broadcast_to(complete, (RESAMPLES, *complete.shape)), axis=1)
    spans = np.ptp(permuted.mean(2), axis=1)
    return float((1 + np.sum(spans >= spread * (1 - 1e-12))) / (RESAMPLES + 1))


def area_under_sensitivity(differences: np.ndarray) -> np.ndarray:
    """R6: mean over levels of max(0, -D0(k)); 0 for a flat curve. [..., L, S] to [...]."""
    means = nan_mean(differences)
    return nan_mean(np.where(np.isfinite(means), np.maximum(0, -means), np.nan))


def cross_fitted_best(test: np.ndarray, val: np.ndarray) -> np.ndarray:
    """Mean over seeds of the test score of the setting that is best on validation over the other seeds.

    Unlike the highest mean it is not lifted by noise. With one seed the setting is chosen on that seed's validation.
    [..., H, S] to [...]; NaN without any score.
    """
    known = np.isfinite(val)
    filled = np.where(known, val, 0)
    if val.shape[-1] > 1:
        sums = filled.sum(-1, keepdims=True) - filled
        counts = known.sum(-1, keepdims=True) - known
    else:
        sums, counts = filled, known.astype(int)
    others = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
    chosen = others.argmax(-2)[..., None, :]
    return nan_mean(np.take_along_axis(test, chosen, axis=-2)[..., 0, :])


def resampled(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Scores [H, S] for each row of seed numbers [R, S']: [R, H, S']."""
    return np.moveaxis(scores[:, rows], 0, 1)


def seed_noise(scores_LS: np.ndarray) -> float:
    """R16: pooled standard deviation over seeds."""
    rows = [row[np.isfinite(row)] for row in scores_LS]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        return np.nan
    return float(np.sqrt(sum(((r - r.mean()) ** 2).sum() for r in rows) / sum(len(r) - 1 for r in rows)))


def nan_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over an axis without NaN; NaN (silently) where nothing is left."""
    counts = np.isfinite(values).sum(axis)
    sums = np.where(np.isfinite(values), values, 0).sum(axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
