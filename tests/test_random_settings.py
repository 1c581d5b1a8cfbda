"""Shares and quantiles of random settings: coverage over fresh points and fresh seeds, and closed forms."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.statistics.curves import cross_fitted_best
from evenkeel.reports.statistics.intervals import nan_mean, wilson
from evenkeel.reports.statistics.random_settings import (
    ResampledValue,
    best_of_budgets,
    best_of_resamples,
    budget_intervals,
    means_of_resamples,
    quantile_interval,
    resampled_difference,
    resampled_quantile,
    resamples,
    share_interval,
    tail_interval,
    win_interval,
)
from evenkeel.reports.text.wording import few_settings_warning


def draw(rng, num_points=64, num_seeds=6, noise=0.3):
    """Settings with standard normal truth, an effect a seed and noise."""
    truth = rng.normal(size=(num_points, 1))
    return truth + rng.normal(0, 0.2, num_seeds) + rng.normal(0, noise, (num_points, num_seeds))


def coverage(intervals, truth):
    return np.mean([i.low <= truth <= i.high for i in intervals])


SPREAD = np.sqrt(1 + 0.3**2 / 6)
"""Of a setting's seed mean, without the seeds' common effect."""


@pytest.mark.parametrize("limit", [0.0, -1.5, 1.3])
def test_shares_cover_over_points_and_seeds(limit, rng):
    found = []
    for _ in range(300):
        scores = draw(rng)
        share = lambda rows, s=scores: (s[:, rows].mean(-1) >= limit).mean(0)  # noqa: E731
        found.append(share_interval(share, 64, np.arange(6), rng))
    assert coverage(found, stats.norm.sf(limit, scale=SPREAD)) >= 0.93
    assert all(0 <= i.low <= i.high <= 1 for i in found)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_quantiles_cover_over_points_and_seeds(share, rng):
    found = [quantile_interval(draw(rng), share, rng) for _ in range(200)]
    assert coverage(found, stats.norm.ppf(share, scale=SPREAD)) >= 0.93
    assert np.isfinite([i.low for i in found]).all()


def test_the_tail_covers(rng):
    truth = -SPREAD * stats.norm.pdf(stats.norm.ppf(0.1)) / 0.1
    found = [tail_interval(draw(rng), 0.1, rng) for _ in range(300)]
    assert coverage(found, truth) >= 0.92


def test_a_low_quantile_of_few_points_has_no_low_end(rng):
    assert quantile_interval(draw(rng, num_points=16), 0.1, rng).low == -np.inf
    assert "give at least 64 (sobol.m 6)" in few_settings_warning([64, 16]) and few_settings_warning([64, 128]) == ""


def test_points_that_were_never_scored_do_not_count(rng):
    scores = draw(rng)
    scores[:8] = np.nan
    assert quantile_interval(scores, 0.5, rng).value == pytest.approx(np.median(nan_mean(scores[8:])))


def test_winning_is_the_mann_whitney_share(rng):
    """With one seed's worth of scores at every seed it is scipy's U over the number of pairs."""
    one, other = rng.normal(0.5, 1, 12), rng.normal(0, 1, 9)
    found = win_interval(np.tile(one[:, None], 6), np.tile(other[:, None], 6))
    assert found.value == pytest.approx(stats.mannwhitneyu(one, other).statistic / (12 * 9))


def test_always_winning_is_no_certainty(rng):
    """All of 16 settings won: the low end is near that of a share of 16 of 16 (0.81 by Wilson), not 1."""
    found = win_interval(np.ones((16, 6)), np.zeros((1, 6)))
    assert found.value == found.high == 1 and 0.8 < found.low < 0.92


def test_winning_covers(rng):
    """P of one standard normal setting with noise above another that is 0.5 lower, on average over common seeds."""
    truth = stats.norm.cdf(0.5 / np.sqrt(2 + 2 * 0.3**2))
    found = [win_interval(draw(rng) + 0.5, draw(rng)) for _ in range(200)]
    assert coverage(found, truth) >= 0.93


class TestBestOfBudget:
    def test_is_the_mean_over_all_draws(self, rng):
        """Every draw of three of seven settings, the best by validation, its test score."""
        val, test = rng.normal(size=(2, 7, 2))
        draws = [max(draw, key=lambda h: val[h].mean()) for draw in combinations(range(7), 3)]
        expected = [test.mean(), np.mean([test[h].mean() for h in draws]), np.nan]
        assert best_of_budgets(val, test, [1, 3, 8]) == pytest.approx(expected, nan_ok=True)

    def test_covers_over_points_and_seeds(self, rng):
        """Without noise the best of four standard normal settings scores 1.0294 on average."""
        found = []
        for _ in range(150):
            truth = rng.normal(size=(64, 1)) + np.zeros(6)
            found.append(*budget_intervals(truth, truth, [4], rng))
        assert coverage(found, 1.0294) >= 0.91


def spread_of_share(scores, limit, rows):
    share = (scores.mean(-1) >= limit).mean()
    return ResampledValue(wilson(share * len(scores), len(scores)), (scores[:, rows].mean(-1) >= limit).mean(0))


def test_contrasts_of_shares_and_quantiles_cover_over_points_and_seeds(rng):
    """Two losses, the second lower by 0.3 everywhere; seeds move both alike."""
    shares, quantiles = [], []
    for _ in range(200):
        one, other, rows = draw(rng), draw(rng) - 0.3, resamples(6, rng)
        shares.append(resampled_difference(*(spread_of_share(scores, 0.0, rows) for scores in (one, other)), 6))
        quantiles.append(resampled_difference(*(resampled_quantile(scores, 0.1, rows) for scores in (one, other)), 6))
    truth = stats.norm.sf(0, scale=SPREAD) - stats.norm.sf(0.3, scale=SPREAD)
    assert coverage(shares, truth) >= 0.93 and coverage(quantiles, 0.3) >= 0.93
    assert np.mean([i.low > 0 for i in quantiles]) < 0.9, "they say more than nothing and less than everything"


def test_the_one_setting_of_a_plain_loss_is_not_drawn(rng):
    """Against it only the points of the other count: the interval is that loss's own."""
    scores, plain, rows = np.repeat(rng.normal(size=(64, 1)), 6, axis=1), np.zeros((1, 6)), resamples(6, rng)
    found = resampled_difference(resampled_quantile(scores, 0.5, rows), resampled_quantile(plain, 0.5, rows), 6)
    assert found[:3] == pytest.approx(quantile_interval(scores, 0.5, rng)[:3], abs=1e-9)


def test_the_interval_of_one_setting_is_over_seeds_alone(rng):
    """Its share, quantile and tail are the setting's own mean; seeds alone move it."""
    scores = rng.normal(size=(1, 6))
    half = stats.t.ppf(0.975, 5) * scores.std(ddof=1) / np.sqrt(6)
    for found in (quantile_interval(scores, 0.1, rng), tail_interval(scores, 0.1, rng)):
        assert found.value == pytest.approx(scores.mean())
        assert found.high - found.value == pytest.approx(half, rel=0.25)  # by 200 resamples
    always = share_interval(lambda rows: np.ones(len(rows)), 1, np.arange(6), rng)
    assert always[:3] == (1, 1, 1)


def test_a_loss_contrasted_with_itself_differs_by_nothing(rng):
    spread = spread_of_share(draw(rng), 0.0, resamples(6, rng))
    found = resampled_difference(spread, spread, 6)
    assert found.value == 0 and found.low < 0 < found.high


@pytest.mark.parametrize("run", ["half of all", "all but the last seed", "one seed a setting"])
def test_settings_without_every_seed_give_an_interval(run, rng):
    """A study that is still running: what has no score is left out, a seed without any score is no seed."""
    scores = draw(rng)
    match run:
        case "half of all":
            scores[rng.random(scores.shape) < 0.5] = np.nan
        case "all but the last seed":
            scores[:, 5] = np.nan
        case "one seed a setting":
            scores[np.arange(64)[:, None] % 6 != np.arange(6)] = np.nan
    rows = resamples(6, rng)
    for found in (quantile_interval(scores, 0.1, rng), tail_interval(scores, 0.1, rng)):
        assert found.low < found.value < found.high and found.n == np.isfinite(scores).any(0).sum()
    assert np.isfinite(resampled_quantile(scores, 0.1, rows).drawn_R).mean() > 0.9
    assert np.isfinite(budget_intervals(scores, scores, [4], rng)[0][:3]).all()


def test_no_score_at_all_gives_no_interval(rng):
    nothing = np.full((8, 6), np.nan)
    assert quantile_interval(nothing, 0.1, rng).n == tail_interval(nothing, 0.1, rng).n == 0
    assert np.isnan(share_interval(lambda rows: np.ones(len(rows)), 8, np.arange(0), rng).value)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_resamples_are_worked_out_as_if_each_were_a_study(missing, rng):
    """Against plain indexing of the scores, seed by seed."""
    test, val = rng.normal(size=(2, 6, 5))
    test, val = (np.where(rng.random(scores.shape) < missing, np.nan, scores) for scores in (test, val))
    rows = rng.integers(5, size=(8, 5))
    plain = [nan_mean(test[:, row]) for row in rows]
    assert means_of_resamples(test, rows) == pytest.approx(np.array(plain), nan_ok=True)
    best = [cross_fitted_best(test[:, row], val[:, row]) for row in rows]
    assert best_of_resamples(test, val, rows) == pytest.approx(np.array(best), nan_ok=True)
