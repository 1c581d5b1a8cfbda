"""What random settings give: shares and quantiles over Sobol points, with intervals over points and seeds both.

Letters: H settings, S seeds, R resamples. A point of the box and a seed are both drawn at random, so both are sources
of variation: half the width is the root of the sum of squares of the half over points and the half over seeds. Over
points: Wilson's interval of a share, the binomial interval of a quantile (which needs no assumption, and has no low end
where the points are too few). Over seeds: the bootstrap's standard deviation times Student's t. A setting without a
score in a resample of the seeds is left out of it, a seed without any score is no seed. R-numbers: docs/reading.md.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import gammaln

from evenkeel.reports.statistics.curves import cross_fitted_best
from evenkeel.reports.statistics.intervals import (
    CONFIDENCE,
    MIN_SEEDS,
    Interval,
    jackknife_error,
    nan_mean,
    normal_quantile,
    standard_error_factor,
    t_interval,
    t_quantile,
    wilson,
)

NUM_RESAMPLES, MAX_JACKKNIFE_GROUPS = 200, 64
RESAMPLES_AT_ONCE = 50
"""Resamples that are held in memory at a time: many more and their arrays no longer fit a processor's cache."""

SeedStatistic = Callable[[np.ndarray], np.ndarray]
"""Rows of seed numbers [R, S] to a value each [R]."""


def seeds_with_scores(*scores_HS: np.ndarray) -> np.ndarray:
    """Numbers of the seeds (columns of [H, S]) that have a score in every one of the arrays."""
    return np.flatnonzero(np.logical_and.reduce([np.isfinite(scores).any(0) for scores in scores_HS]))


def means_of_resamples(scores_HS: np.ndarray, rows_RS: np.ndarray) -> np.ndarray:
    """Mean score of each setting for each row of seed numbers [R, S'], [R, H]; NaN where a setting has none of them."""
    weights_RS, finite_HS = _times_drawn(rows_RS, scores_HS.shape[1]), np.isfinite(scores_HS)
    if finite_HS.all():
        return weights_RS @ scores_HS.T / rows_RS.shape[1]
    sums, counts = weights_RS @ np.where(finite_HS, scores_HS, 0).T, weights_RS @ finite_HS.T.astype(float)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def best_of_resamples(test_HS: np.ndarray, val_HS: np.ndarray, rows_RS: np.ndarray) -> np.ndarray:
    """`cross_fitted_best` for each row of seed numbers [R, S']: [R]."""
    if rows_RS.shape[1] < 2 or not np.isfinite(val_HS).all():
        return cross_fitted_best(*(np.moveaxis(scores[:, rows_RS], 0, 1) for scores in (test_HS, val_HS)))
    weights_RS = _times_drawn(rows_RS, val_HS.shape[1])
    sums_RH = weights_RS @ val_HS.T
    # What the others of a seed choose is the same wherever the seed stands in the row.
    best_RS = np.stack([test_HS[(sums_RH - val_HS[:, s]).argmax(1), s] for s in range(val_HS.shape[1])], axis=1)
    weights_RS = np.where(np.isfinite(best_RS), weights_RS, 0)
    counts_R = weights_RS.sum(1)
    sums_R = (weights_RS * np.nan_to_num(best_RS)).sum(1)
    return np.where(counts_R > 0, sums_R / np.maximum(counts_R, 1), np.nan)


def _times_drawn(rows_RS: np.ndarray, num_seeds: int) -> np.ndarray:
    """How often each seed stands in each row, [R, S]."""
    return np.stack([np.bincount(row, minlength=num_seeds) for row in rows_RS]).astype(float)


def share_interval(
    statistic: SeedStatistic, num_points: int, seeds_S: np.ndarray, rng: np.random.Generator
) -> Interval:
    """R7: interval of a share of settings, in [0, 1], over the seeds whose numbers are seeds_S [S]."""
    value = float(statistic(seeds_S[None])[0]) if len(seeds_S) else np.nan
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan, len(seeds_S))
    points = share_over_points(value, num_points)
    interval = _over_points_and_seeds(points, statistic, seeds_S, rng)
    return interval._replace(low=max(0.0, interval.low), high=min(1.0, interval.high))


def share_over_points(share: float, num_points: int) -> Interval:
    """Wilson's interval; the one setting of a loss without hyperparameters is not drawn."""
    return wilson(share * num_points, num_points) if num_points > 1 else Interval(share, share, share, num_points)


def quantile_interval(scores_HS: np.ndarray, share: float, rng: np.random.Generator) -> Interval:
    """R9: interval of a quantile of the settings' seed means [H, S]; an end is infinite where points are too few."""
    points, seeds_S = _quantile_over_points(scores_HS, share), seeds_with_scores(scores_HS)
    if not points.n:
        return points._replace(n=len(seeds_S))
    return _over_points_and_seeds(points, _quantile_of_resamples(scores_HS, share), seeds_S, rng)


def _quantile_over_points(scores_HS: np.ndarray, share: float) -> Interval:
    ordered = np.sort(_finite_means(scores_HS))
    n = len(ordered)
    if n < 2:
        alone = float(ordered[0]) if n else np.nan  # the one setting of a plain loss is not drawn
        return Interval(alone, alone, alone, n)
    ranks = stats.binom.ppf([0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], n, share).astype(int)
    low = ordered[ranks[0] - 1] if ranks[0] > 0 else -np.inf
    high = ordered[ranks[1]] if ranks[1] < n else np.inf
    return Interval(float(np.quantile(ordered, share)), float(low), float(high), n)


def _quantile_of_resamples(scores_HS: np.ndarray, share: float) -> SeedStatistic:
    def statistic(rows_RS: np.ndarray) -> np.ndarray:
        means_RH = means_of_resamples(scores_HS, rows_RS)
        scored_R = np.isfinite(means_RH).any(-1)
        quantiles_R = np.full(len(means_RH), np.nan)
        quantile = np.quantile if np.isfinite(means_RH).all() else np.nanquantile  # the first is much faster
        quantiles_R[scored_R] = quantile(means_RH[scored_R], share, axis=-1)
        return quantiles_R

    return statistic


class ResampledValue(NamedTuple):
    """A value of one loss's settings: with its interval over points, and for each of R resamples of the seeds [R]."""

    points: Interval
    drawn_R: np.ndarray


def resampled_quantile(scores_HS: np.ndarray, share: float, rows_RS: np.ndarray) -> ResampledValue:
    """A quantile of the settings' seed means [H, S]; `rows_RS` are resampled seed numbers, the same for all losses."""
    drawn_R = evaluate_in_chunks(_quantile_of_resamples(scores_HS, share), rows_RS)
    return ResampledValue(_quantile_over_points(scores_HS, share), drawn_R)


def resampled_difference(first: ResampledValue, second: ResampledValue, num_seeds: int) -> Interval:
    """R18 of R7 and R9: the interval of the value of one loss minus that of another.

    Over points by the limits of each (Zou and Donner 2008), over seeds by the bootstrap of the paired difference.
    """
    (a, drawn_a), (b, drawn_b) = first, second
    value = a.value - b.value
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan, num_seeds)
    low, high = value - np.hypot(a.value - a.low, b.high - b.value), value + np.hypot(a.high - a.value, b.value - b.low)
    return _widened_by_seeds(Interval(value, low, high, a.n), drawn_a - drawn_b, num_seeds)


def tail_interval(scores_HS: np.ndarray, share: float, rng: np.random.Generator) -> Interval:
    """R9: interval of the mean over the worst `share` of settings [H, S]: its influence function, Student's t over it.

    Source: Trindade et al. 2007 for the variance.
    """

    def statistic(rows_RS: np.ndarray) -> np.ndarray:
        means_RH = np.sort(means_of_resamples(scores_HS, rows_RS), axis=-1)  # settings never scored are last
        return nan_mean(means_RH[:, : max(1, round(share * means_RH.shape[-1]))])

    means, seeds_S = _finite_means(scores_HS), seeds_with_scores(scores_HS)
    if not len(means):
        return Interval(np.nan, np.nan, np.nan, len(seeds_S))
    value, tail = float(statistic(seeds_S[None])[0]), round(share * len(means))
    influence = np.minimum(means - np.quantile(means, share), 0) / share
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, tail - 1) * influence.std() / np.sqrt(len(means)) if tail > 1 else np.inf
    half = half if len(means) > 1 else 0.0
    points = Interval(value, value - half, value + half, len(means))
    return _over_points_and_seeds(points, statistic, seeds_S, rng)


def win_interval(
    first_HS: np.ndarray, second_HS: np.ndarray, confidence: float = CONFIDENCE, *, shared: float = 0.0
) -> Interval:
    """R19: how often a random setting of one loss beats a random one of another under the same seed, ties half.

    Scores [H, S] and [H', S]; a seed that any setting lacks is left out. Over points by DeLong et al. 1988, with one
    win and one loss added to the placements as Agresti and Coull 1998 do for a share, so that "always" keeps an
    interval; over seeds, and train rows as in t_interval, by Student's t of the seeds' own shares.
    """
    complete = np.isfinite(first_HS).all(0) & np.isfinite(second_HS).all(0)
    n, first, second = int(complete.sum()), first_HS[:, complete], second_HS[:, complete]
    if not n:
        return Interval(np.nan, np.nan, np.nan, 0)
    beaten, beating = _share_beaten(first, second), 1 - _share_beaten(second, first)  # [H, S] and [H', S]
    value, by_seed = float(beaten.mean()), beaten.mean(0)
    if n < MIN_SEEDS:
        return Interval(value, np.nan, np.nan, n)
    # A loss without hyperparameters has one setting, which is not drawn.
    placements = [np.append(part.mean(1), [0, 1]) for part in (beaten, beating) if len(part) > 1]
    over_points = normal_quantile(0.5 + confidence / 2) * np.sqrt(sum(p.var(ddof=1) / len(p) for p in placements))
    seed_error = by_seed.std(ddof=1) * standard_error_factor(n, shared)
    over_seeds = t_quantile(0.5 + confidence / 2, n - 1) * seed_error
    half = float(np.hypot(over_points, over_seeds))
    return Interval(value, max(0.0, value - half), min(1.0, value + half), n)


def mean_difference(
    first_HS: np.ndarray,
    second_HS: np.ndarray,
    confidence: float = CONFIDENCE,
    *,
    image_error: float = 0.0,
    shared: float = 0.0,
) -> Interval:
    """The mean score of all settings of one loss [H, S] minus that of another [H', S], over points, seeds and images.

    Unlike a share of wins it is linear in what a training set does to a whole loss: a share that nears 0 or 1 stops
    varying from seed to seed, and its interval is too short there. Seeds that any setting lacks are left out.
    """
    complete = np.isfinite(first_HS).all(0) & np.isfinite(second_HS).all(0)
    if not complete.any():
        return Interval(np.nan, np.nan, np.nan, 0)
    parts = [scores[:, complete] for scores in (first_HS, second_HS)]
    of_points = sum(part.mean(1).var(ddof=1) / len(part) for part in parts if len(part) > 1)
    error = float(np.hypot(np.sqrt(of_points), image_error))
    return t_interval(parts[0].mean(0) - parts[1].mean(0), confidence, error, shared=shared)


def _share_beaten(scores_HS: np.ndarray, rivals_HS: np.ndarray) -> np.ndarray:
    """The share of `rivals` of the same seed that each score beats, ties half, [H, S]."""
    ordered = np.sort(rivals_HS, axis=0)
    sides = [
        [np.searchsorted(o, s, side) for s, o in zip(scores_HS.T, ordered.T, strict=True)] for side in ("left", "right")
    ]
    return np.mean(sides, axis=0).T / len(ordered)


def _over_points_and_seeds(
    points: Interval, statistic: SeedStatistic, seeds_S: np.ndarray, rng: np.random.Generator
) -> Interval:
    """The interval over points, widened by what the seeds add."""
    if len(seeds_S) < MIN_SEEDS:
        return Interval(points.value, np.nan, np.nan, len(seeds_S))
    rows_RS = seeds_S[resamples(len(seeds_S), rng)]
    return _widened_by_seeds(points, evaluate_in_chunks(statistic, rows_RS), len(seeds_S))


def resamples(num_seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of seed numbers [R, S], drawn with replacement."""
    return rng.integers(num_seeds, size=(NUM_RESAMPLES, num_seeds))


def evaluate_in_chunks(statistic: SeedStatistic, rows_RS: np.ndarray) -> np.ndarray:
    """The statistic of each row of seed numbers [R, S], a few rows at once: [R]."""
    return np.concatenate([statistic(part) for part in np.array_split(rows_RS, NUM_RESAMPLES // RESAMPLES_AT_ONCE)])


def _widened_by_seeds(points: Interval, drawn_R: np.ndarray, num_seeds: int) -> Interval:
    value, low, high = points[:3]
    drawn = drawn_R[np.isfinite(drawn_R)]
    if num_seeds < MIN_SEEDS or not len(drawn):
        return Interval(value, np.nan, np.nan, num_seeds)
    spread = drawn.std() * np.sqrt(num_seeds / (num_seeds - 1))
    half_over_seeds = stats.t.ppf(0.5 + CONFIDENCE / 2, num_seeds - 1) * spread
    ends = value - np.hypot(value - low, half_over_seeds), value + np.hypot(high - value, half_over_seeds)
    return Interval(value, float(ends[0]), float(ends[1]), num_seeds)


def _finite_means(scores_HS: np.ndarray) -> np.ndarray:
    means = nan_mean(scores_HS)
    return means[np.isfinite(means)]


def best_of_budgets(val_HS: np.ndarray, test_HS: np.ndarray, budgets: Sequence[int]) -> np.ndarray:
    """R13: expected mean test score of the setting with the highest mean validation score among B random ones, [B].

    Scores [H, S]. Without replacement from the H points: the i-th worst by validation is the best of the draw with
    probability C(i - 1, B - 1) / C(H, B). Source: Tang et al. 2020, eq. 4. NaN where fewer than B points were scored.
    Settings that tie on validation are as likely chosen.
    """
    return _best_by_means(nan_mean(val_HS), nan_mean(test_HS), budgets)


def _best_by_means(val_H: np.ndarray, test_H: np.ndarray, budgets: Sequence[int]) -> np.ndarray:
    finite = np.isfinite(val_H) & np.isfinite(test_H)
    ordered = _by_validation(val_H[finite], test_H[finite])
    n = len(ordered)
    return np.array([_share_of_draws(n, budget) @ ordered if n >= budget else np.nan for budget in budgets])


def _by_validation(val_H: np.ndarray, test_H: np.ndarray) -> np.ndarray:
    """Test scores [H] from the worst validation score to the best; those that tie on it share their mean."""
    _, place, counts = np.unique(val_H, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=test_H) / counts
    return np.repeat(means, counts)


@cache
def _share_of_draws(n: int, budget: int) -> np.ndarray:
    """How often the i-th worst of n is the best of a draw, [n]."""
    logs = _log_choose(np.arange(n), budget - 1) - _log_choose(np.array(n), budget)
    return np.exp(logs)


def _log_choose(n: np.ndarray, k: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(n >= k, gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1), -np.inf)


def budget_intervals(
    val_HS: np.ndarray, test_HS: np.ndarray, budgets: Sequence[int], rng: np.random.Generator
) -> list[Interval]:
    """Intervals of R13 from scores [H, S] at each budget, over points and seeds.

    Over points by a jackknife, whose variance is not too small: Efron and Stein 1981. No ends below two draws' points.
    """
    num_points, seeds_S = len(val_HS), seeds_with_scores(val_HS, test_HS)
    values_B = best_of_budgets(val_HS, test_HS, budgets)
    if len(seeds_S) < MIN_SEEDS:
        return [Interval(value, np.nan, np.nan, len(seeds_S)) for value in values_B.tolist()]
    groups = np.array_split(rng.permutation(num_points), min(num_points, MAX_JACKKNIFE_GROUPS))
    val_H, test_H = nan_mean(val_HS), nan_mean(test_HS)
    left_out_GB = np.array(
        [_best_by_means(np.delete(val_H, group), np.delete(test_H, group), budgets) for group in groups]
    )
    halves_B = normal_quantile(0.5 + CONFIDENCE / 2) * jackknife_error(left_out_GB.T)
    drawn_RB = _best_of_resamples(val_HS, test_HS, budgets, seeds_S[resamples(len(seeds_S), rng)])
    return [
        _widened_by_seeds(Interval(value, value - half, value + half, num_points), drawn_R, len(seeds_S))
        if num_points >= 2 * budget
        else Interval(value, np.nan, np.nan, len(seeds_S))
        for budget, value, half, drawn_R in zip(budgets, values_B.tolist(), halves_B.tolist(), drawn_RB.T, strict=True)
    ]


def _best_of_resamples(
    val_HS: np.ndarray, test_HS: np.ndarray, budgets: Sequence[int], rows_RS: np.ndarray
) -> np.ndarray:
    """R13 for each row of seed numbers, [R, B]."""
    means = zip(means_of_resamples(val_HS, rows_RS), means_of_resamples(test_HS, rows_RS), strict=True)
    return np.array([_best_by_means(val_H, test_H, budgets) for val_H, test_H in means])
