"""The error of every decision: against scipy, by simulation, and rules for many decisions by their definitions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.statistics.error_model import ALPHA, Estimates, error_of_look
from evenkeel.reports.statistics.pooled_noise import NO_PRIOR, common_noise, moderated, sample_variances
from evenkeel.reports.verdict.family import family_of, hochberg, judgements
from evenkeel.reports.verdict.seeds_needed import seeds_to_differ
from evenkeel.reports.verdict.several_studies import welch_p
from evenkeel.reports.verdict.verdict import Standard
from tests.synthetic import continuations, study, table


def estimates(values_KS, image_error=0.0, shared=0.0, prior=NO_PRIOR):
    return Estimates.of_values(values_KS, np.full(len(values_KS), image_error), shared=shared, prior=prior)


class TestEstimates:
    def test_limits_and_p_are_students(self, rng):
        values = rng.normal(0.5, 1, (3, 7))
        values[0, 2] = np.nan
        found = estimates(values)
        ttest = stats.ttest_1samp(values, 0, axis=1, nan_policy="omit")
        assert found.two_sided_p() == pytest.approx(ttest.pvalue)
        assert found.lows(0.025) == pytest.approx(ttest.confidence_interval(0.95).low)
        assert found.interval(1, 0.05)[1:3] == pytest.approx(
            tuple(ttest.confidence_interval(0.9)[i][1] for i in (0, 1))
        )

    def test_fewer_than_five_seeds_decide_nothing(self, rng):
        found = estimates(rng.normal(size=(2, 4)))
        assert np.isnan(found.two_sided_p()).all() and np.isnan(found.lows(0.05)).all()

    @pytest.mark.parametrize(("shared", "images"), [(0.0, 0.0), (0.25, 0.0), (0.0, 0.4), (0.5, 0.4)])
    def test_limits_err_as_often_as_they_say(self, shared, images, rng):
        """What one training set and one test set add to all seeds alike is in them: 4,000 means of truth 0."""
        seeds = rng.normal(size=(4000, 8)) + np.sqrt(shared) * rng.normal(size=(4000, 1))
        found = estimates(seeds + images * rng.normal(size=(4000, 1)), images, shared)
        assert np.mean(found.lows(0.05) > 0) == pytest.approx(0.05, abs=0.012)
        assert np.mean(found.highs(0.01) < 0) == pytest.approx(0.01, abs=0.006)

    def test_seeds_that_would_tell_a_difference_do_in_nine_of_ten_studies(self, rng):
        values_S = np.array([0.5, 1.6, 0.0, 2.0, 1.2, 0.7])
        one = estimates(values_S[None], 0.1, 0.02)
        n = seeds_to_differ(one, 0, 0.005)
        again = estimates(continuations(values_S, n, rng), 0.1, 0.02)
        assert n > 6 and np.mean(again.lows(0.005) > 0) == pytest.approx(0.9, abs=0.04)
        assert seeds_to_differ(replace(one, shared=5.0), 0, 0.005) is None


class TestPooledNoise:
    def test_equal_variances_are_worth_all_means_together(self, rng):
        prior = common_noise(rng.normal(0, 2, (200, 6)))
        assert prior.variance == pytest.approx(4, rel=0.15) and prior.degrees > 30
        assert 20 < prior.most <= 25, "sample correlations bound it by the square of a row's degrees"

    def test_a_prior_of_known_worth_is_found(self, rng):
        """Variances drawn from a scaled inverse chi-square with 8 degrees of freedom, as Smyth 2004 assumes."""
        variances = 9 * 8 / rng.chisquare(8, 3000)
        prior = common_noise(rng.normal(size=(3000, 6)) * np.sqrt(variances)[:, None])
        assert prior.degrees == pytest.approx(8, rel=0.2) and prior.variance == pytest.approx(9, rel=0.1)

    def test_unlike_variances_stand_alone(self, rng):
        values = rng.normal(size=(30, 10)) * np.geomspace(0.1, 10, 30)[:, None]
        assert common_noise(values) == NO_PRIOR
        variances, degrees = moderated(*sample_variances(values), NO_PRIOR)
        assert variances == pytest.approx(values.var(1, ddof=1)) and (degrees == 9).all()

    def test_means_that_move_together_are_not_many(self, rng):
        """Thirty copies of one row are one row: no degree of freedom more than its own."""
        one = rng.normal(size=10)
        assert common_noise(np.outer(np.linspace(0.9, 1.1, 30), one)).most == pytest.approx(9)

    @pytest.mark.parametrize("values", [np.zeros((5, 6)), np.full((5, 6), np.nan), np.ones((2, 6)), np.empty((0, 6))])
    def test_nothing_is_pooled_where_nothing_varies_or_is_there(self, values):
        assert common_noise(values) == NO_PRIOR


def test_hochbergs_rule_by_its_definition(rng):
    """The largest k with p(k) <= alpha / (m - k + 1), p from the one-sided t test of each cell's only level."""
    for _ in range(200):
        values = rng.normal(rng.choice([0.0, 1.0], (5, 1)), 1, (5, 8))
        alpha = hochberg([estimates(row[None]) for row in values], 1.0, Standard())
        p = np.sort(stats.ttest_1samp(values, -1.0, axis=1, alternative="greater").pvalue)
        passing = [k for k in range(1, 6) if p[k - 1] <= 0.05 / (5 - k + 1)]
        bound = 0.05 / (5 - max(passing) + 1) if passing else 0.01
        assert (p <= alpha).sum() == (p <= bound).sum() == max(passing, default=0)


def test_looks_spend_the_error_of_one(rng):
    assert sum(error_of_look(look) for look in range(1, 2000)) == pytest.approx(ALPHA, rel=1e-3)


def test_two_studies_are_compared_by_welch(rng):
    first, second = rng.normal(0, 1, (3, 6)), rng.normal(0.3, 2, (3, 9))
    expected = stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue
    assert welch_p(estimates(first), estimates(second)) == pytest.approx(expected)


def test_a_page_shares_its_error_among_its_verdicts_and_comparisons(rng):
    """Five cells and two comparisons; a study that grew from run to run has less of it."""
    once = table(rng, lambda *_: 0.5)
    grown = table(rng, lambda *_: 0.5, facts=replace(study(), former_seeds=(3, 4)))
    assert family_of(once).num_units == 7 and family_of(once).standard.drop == pytest.approx(0.04 / 2 / 7)
    assert family_of(grown).alpha == error_of_look(3) < 0.01
    assert {judged.status for judged in judgements(once).values()} == {"steady"}
