"""What random settings give: shares and quantiles over Sobol points, with intervals over points and seeds both.

Letters: H settings, S seeds, R resamples. A point of the box and a seed are both drawn at random, so both are sources
of variation: half the width is the root of the sum of squares of the half over points and the half over seeds. Over
points: Wilson's interval of a share, the binomial interval of a quantile (which needs no assumption, and has no low end
where the points are too few). Over seeds: the bootstrap's standard deviation times Student's t.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import gammaln

from evenkeel.reports.statistics.intervals import CONFIDENCE, MIN_SEEDS, Interval, jackknife_error, nan_mean, wilson

RESAMPLES, MOST_GROUPS = 200, 64
AT_ONCE = 10
"""Resamples that are held in memory at a time: many more and their arrays no longer fit a processor's cache."""

FEWEST_POINTS = 64
"""2^6: below it the tails of a box are not seen, and the page warns."""

OfSeeds = Callable[[np.ndarray], np.ndarray]
"""Rows of seed numbers [R, S] to a value each [R]."""


def few_points(numbers: Iterable[int]) -> str:
    """A warning where a loss has too few settings, or nothing."""
    least = min(numbers, default=FEWEST_POINTS)
    if least >= FEWEST_POINTS:
        return ""
    return f" With {least} settings the intervals are wide: give sobol.m at least {FEWEST_POINTS.bit_length() - 1}."


def resampled(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Scores [H, S] for each row of seed numbers [R, S']: [R, H, S']."""
    return np.moveaxis(scores[:, rows], 0, 1)


def share_interval(statistic: OfSeeds, num_points: int, num_seeds: int, rng: np.random.Generator) -> Interval:
    """Interval of a share of settings, in [0, 1]."""
    value = float(statistic(np.arange(num_seeds)[None])[0])
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan, num_seeds)
    points = of_points(value, num_points)
    found = _joined(value, points.low, points.high, statistic, num_seeds, rng)
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))


def of_points(share: float, num_points: int) -> Interval:
    """Wilson's interval; the one setting of a loss without hyperparameters is not drawn."""
    return wilson(share * num_points, num_points) if num_points > 1 else Interval(share, share, share, num_points)


def quantile_interval(scores_HS: np.ndarray, share: float, rng: np.random.Generator) -> Interval:
    """Interval of a quantile of the settings' seed means; an end is infinite where the points are too few for it."""
    points = _quantile_over_points(scores_HS, share)
    if not points.n:
        return points._replace(n=scores_HS.shape[1])
    return _joined(*points[:3], _quantile_of_seeds(scores_HS, share), scores_HS.shape[1], rng)


def _quantile_over_points(scores_HS: np.ndarray, share: float) -> Interval:
    ordered = np.sort(_means(scores_HS))
    n = len(ordered)
    if n < 2:
        alone = float(ordered[0]) if n else np.nan  # the one setting of a plain loss is not drawn
        return Interval(alone, alone, alone, n)
    ranks = stats.binom.ppf([0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], n, share).astype(int)
    low = ordered[ranks[0] - 1] if ranks[0] > 0 else -np.inf
    high = ordered[ranks[1]] if ranks[1] < n else np.inf
    return Interval(float(np.quantile(ordered, share)), float(low), float(high), n)


def _quantile_of_seeds(scores_HS: np.ndarray, share: float) -> OfSeeds:
    def statistic(rows: np.ndarray) -> np.ndarray:
        means = nan_mean(resampled(scores_HS, rows))
        return np.quantile(means[:, np.isfinite(means).all(0)], share, axis=-1)

    return statistic


class Spread(NamedTuple):
    """A value of one loss's settings: with its interval over points, and for each of R resamples of the seeds [R]."""

    points: Interval
    drawn_R: np.ndarray


def quantile_spread(scores_HS: np.ndarray, share: float, rows_RS: np.ndarray) -> Spread:
    """Of a quantile of the settings' seed means; `rows_RS` are resampled seed numbers, the same for all losses."""
    return Spread(_quantile_over_points(scores_HS, share), in_parts(_quantile_of_seeds(scores_HS, share), rows_RS))


def contrast(one: Spread, other: Spread, num_seeds: int) -> Interval:
    """R18 of R7 and R9: the interval of the value of one loss minus that of another.

    Over points by the limits of each (Zou and Donner 2008), over seeds by the bootstrap of the paired difference.
    """
    (a, drawn_a), (b, drawn_b) = one, other
    value = a.value - b.value
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan, num_seeds)
    low, high = value - np.hypot(a.value - a.low, b.high - b.value), value + np.hypot(a.high - a.value, b.value - b.low)
    return _widened(value, low, high, drawn_a - drawn_b, num_seeds)


def tail_interval(scores_HS: np.ndarray, share: float, rng: np.random.Generator) -> Interval:
    """Interval of the mean over the worst `share` of settings: its influence function, Student's t over that tail.

    Source: Trindade et al. 2007 for the variance.
    """

    def statistic(rows: np.ndarray) -> np.ndarray:
        means = np.sort(nan_mean(resampled(scores_HS, rows)), axis=-1)  # settings never scored come last
        return nan_mean(means[:, : max(1, round(share * means.shape[-1]))])

    means, num_seeds = _means(scores_HS), scores_HS.shape[1]
    if not len(means):
        return Interval(np.nan, np.nan, np.nan, num_seeds)
    value, tail = float(statistic(np.arange(num_seeds)[None])[0]), round(share * len(means))
    influence = np.minimum(means - np.quantile(means, share), 0) / share
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, tail - 1) * influence.std() / np.sqrt(len(means)) if tail > 1 else np.inf
    half = half if len(means) > 1 else 0.0
    return _joined(value, value - half, value + half, statistic, num_seeds, rng)


def win_interval(one_HS: np.ndarray, other_HS: np.ndarray) -> Interval:
    """R19: how often a random setting of one loss beats a random one of another under the same seed, ties half.

    Over points by DeLong et al. 1988, with one win and one loss added to the placements as Agresti and Coull 1998 do
    for a share, so that "always" keeps an interval; over seeds by Student's t of the seeds' own shares.
    """
    known = np.isfinite(one_HS).all(0) & np.isfinite(other_HS).all(0)
    n, one, other = int(known.sum()), one_HS[:, known], other_HS[:, known]
    if not n:
        return Interval(np.nan, np.nan, np.nan, 0)
    beaten, beating = _below(one, other), 1 - _below(other, one)  # [H, S] and [H', S]
    value, by_seed = float(beaten.mean()), beaten.mean(0)
    if n < MIN_SEEDS:
        return Interval(value, np.nan, np.nan, n)
    # A loss without hyperparameters has one setting, which is not drawn.
    placements = [np.append(part.mean(1), [0, 1]) for part in (beaten, beating) if len(part) > 1]
    over_points = stats.norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(sum(p.var(ddof=1) / len(p) for p in placements))
    over_seeds = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * by_seed.std(ddof=1) / np.sqrt(n)
    half = float(np.hypot(over_points, over_seeds))
    return Interval(value, max(0.0, value - half), min(1.0, value + half), n)


def _below(scores_HS: np.ndarray, others_HS: np.ndarray) -> np.ndarray:
    """The share of `others` of the same seed that each score beats, ties half, [H, S]."""
    ordered = np.sort(others_HS, axis=0)
    sides = [
        [np.searchsorted(o, s, side) for s, o in zip(scores_HS.T, ordered.T, strict=True)] for side in ("left", "right")
    ]
    return np.mean(sides, axis=0).T / len(ordered)


def _joined(
    value: float, low: float, high: float, statistic: OfSeeds, num_seeds: int, rng: np.random.Generator
) -> Interval:
    """The interval over points, widened by what the seeds add."""
    if num_seeds < MIN_SEEDS:
        return Interval(value, np.nan, np.nan, num_seeds)
    return _widened(value, low, high, in_parts(statistic, resamples(num_seeds, rng)), num_seeds)


def resamples(num_seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of seed numbers [R, S], drawn with replacement."""
    return rng.integers(num_seeds, size=(RESAMPLES, num_seeds))


def in_parts(statistic: OfSeeds, rows_RS: np.ndarray) -> np.ndarray:
    """The statistic of each row of seed numbers, a few rows at once: [R]."""
    return np.concatenate([statistic(part) for part in np.array_split(rows_RS, RESAMPLES // AT_ONCE)])


def _widened(value: float, low: float, high: float, drawn_R: np.ndarray, num_seeds: int) -> Interval:
    if num_seeds < MIN_SEEDS:
        return Interval(value, np.nan, np.nan, num_seeds)
    drawn = drawn_R[np.isfinite(drawn_R)]
    spread = drawn.std() * np.sqrt(num_seeds / (num_seeds - 1)) if len(drawn) else 0.0
    of_seeds = stats.t.ppf(0.5 + CONFIDENCE / 2, num_seeds - 1) * spread
    ends = value - np.hypot(value - low, of_seeds), value + np.hypot(high - value, of_seeds)
    return Interval(value, float(ends[0]), float(ends[1]), num_seeds)


def _means(scores_HS: np.ndarray) -> np.ndarray:
    means = nan_mean(scores_HS)
    return means[np.isfinite(means)]


def best_of_budget(val_HS: np.ndarray, test_HS: np.ndarray, budget: int) -> float:
    """R13: expected mean test score of the setting with the highest mean validation score among `budget` random ones.

    Without replacement from the H points: the i-th worst by validation is the best of the draw with probability
    C(i - 1, B - 1) / C(H, B). Source: Tang et al. 2020, eq. 4. NaN where fewer than `budget` points were scored.
    """
    val, test = nan_mean(val_HS), nan_mean(test_HS)
    known = np.isfinite(val) & np.isfinite(test)
    ordered = test[known][np.argsort(val[known], kind="stable")]
    n = len(ordered)
    if n < budget:
        return np.nan
    return float(_share_of_draws(n, budget) @ ordered)


@cache
def _share_of_draws(n: int, budget: int) -> np.ndarray:
    """How often the i-th worst of n is the best of a draw, [n]."""
    logs = _log_choose(np.arange(n), budget - 1) - _log_choose(np.array(n), budget)
    return np.exp(logs)


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(n >= k, gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1), -np.inf)


def budget_interval(val_HS: np.ndarray, test_HS: np.ndarray, budget: int, rng: np.random.Generator) -> Interval:
    """Interval of R13 over points (by a jackknife whose variance is not too small: Efron and Stein 1981) and seeds."""
    num_points, num_seeds = val_HS.shape
    value = best_of_budget(val_HS, test_HS, budget)
    if not np.isfinite(value) or num_points < 2 * budget:
        return Interval(value, np.nan, np.nan, num_seeds)
    groups = np.array_split(rng.permutation(num_points), min(num_points, MOST_GROUPS))
    kept = [np.delete(np.arange(num_points), group) for group in groups]
    left_out = np.array([best_of_budget(val_HS[rows], test_HS[rows], budget) for rows in kept])
    half = stats.norm.ppf(0.5 + CONFIDENCE / 2) * float(jackknife_error(left_out))

    def statistic(rows: np.ndarray) -> np.ndarray:
        return np.array([best_of_budget(val_HS[:, row], test_HS[:, row], budget) for row in rows])

    return _joined(value, value - half, value + half, statistic, num_seeds, rng)
