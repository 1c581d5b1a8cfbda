"""The statistics against scipy, closed forms and simulation."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics import (
    area_under_sensitivity,
    bca_interval,
    cross_fitted_best,
    flat_null_p,
    holm,
    image_error,
    naive_curve,
    seed_noise,
    sign_flip_p,
    t_interval,
    wilson,
    worst_drop,
)


def test_t_interval_is_scipys(rng):
    values = rng.normal(size=7)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert t_interval(values)[1:3] == pytest.approx(expected)
    assert t_interval(np.append(values, np.nan)) == t_interval(values)


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_few_seeds_give_points_only(n):
    interval = t_interval(np.ones(n))
    assert interval.n == n and np.isnan(interval.low) and np.isnan(interval.high)


def test_paired_intervals_cover_the_truth(rng):
    """95 % intervals of R2 cover in 93 to 97 % of 1,000 simulated studies."""
    hits = 0
    for _ in range(1000):
        seeds = rng.normal(0, 0.02, 6)
        default, level = seeds + rng.normal(0, 0.005, 6), seeds - 0.01 + rng.normal(0, 0.005, 6)
        interval = t_interval(level - default)
        hits += interval.low <= -0.01 <= interval.high
    assert 930 <= hits <= 970


def test_worst_drop_covers_the_truth_although_the_level_is_chosen(rng):
    truth = np.array([0.0, -0.004, -0.01, -0.009])
    hits = 0
    for _ in range(1000):
        interval = worst_drop(truth[:, None] + rng.normal(0, 0.008, (4, 6)))
        hits += interval.low <= truth.min() <= interval.high
    assert hits >= 940


def test_bca_agrees_with_scipy(rng):
    values = rng.exponential(size=12)
    ours = bca_interval(lambda rows: np.median(values[rows], axis=-1), 12, np.random.default_rng(1))
    theirs = stats.bootstrap((values,), np.median, method="BCa", n_resamples=9999, rng=np.random.default_rng(2))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.2)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.2)


def test_bca_is_seeded_and_needs_five_seeds(rng):
    values = rng.normal(size=(8,))
    mean = lambda rows: values[rows].mean(-1)  # noqa: E731
    one, again = (bca_interval(mean, 8, np.random.default_rng(1)) for _ in range(2))
    assert one == again and one.low < one.value < one.high
    assert np.isnan(bca_interval(mean, 4, rng).low)


def test_sign_flips_are_exact():
    assert sign_flip_p(np.array([1.0, 2, 3, 4, 5, 6])) == pytest.approx(2 / 64)
    assert sign_flip_p(np.array([1.0, -1])) == 1
    assert np.isnan(sign_flip_p(np.array([1.0])))


def test_permuted_labels_give_a_null(rng):
    """The share of p < .05 under no difference stays within binomial bounds of what the exact test can reach."""
    p = np.array([sign_flip_p(rng.normal(size=8)) for _ in range(1000)])
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07


def test_holm_by_hand():
    adjusted = holm(np.array([0.01, 0.04, 0.03, np.nan]))
    assert adjusted[:3] == pytest.approx([0.03, 0.06, 0.06]) and np.isnan(adjusted[3])


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (20, 20)])
def test_wilson_is_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n)[1:3] == pytest.approx((expected.low, expected.high))


def test_the_naive_curve_drops_on_a_flat_landscape(rng):
    """Nine levels, nothing matters: with one seed the mean drop is 1.49 sigma, the worst 2.97 sigma."""
    curves = np.array([naive_curve(rng.normal(size=(9, 1))) for _ in range(4000)])
    assert -curves.mean() == pytest.approx(1.49, abs=0.03)
    assert -curves.min(1).mean() == pytest.approx(2.97, abs=0.03)


def test_the_flat_null_finds_a_sharp_landscape_only(rng):
    noise = rng.normal(0, 0.01, (7, 6))
    assert flat_null_p(noise + np.linspace(0, 0.1, 7)[:, None], rng) < 0.01
    flat = [flat_null_p(rng.normal(0, 0.01, (7, 6)) + rng.normal(0, 0.05, 6), rng) for _ in range(200)]
    assert np.mean(np.array(flat) < 0.05) < 0.1


def test_area_is_the_mean_of_what_is_lost():
    assert area_under_sensitivity(np.array([[-0.2, 0.0], [0.3, 0.1], [0.0, 0.0]])) == pytest.approx(0.1 / 3)
    assert area_under_sensitivity(np.zeros((3, 6))) == 0


def test_the_cross_fitted_best_is_not_lifted_by_noise(rng):
    """On a flat landscape the highest mean is too high, the cross-fitted one is not."""
    scores = rng.normal(0, 1, (2000, 12, 5))
    assert scores.mean(2).max(1).mean() > 0.6
    assert cross_fitted_best(scores, scores).mean() == pytest.approx(0, abs=0.03)


def test_the_cross_fitted_best_by_hand():
    val = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    test = np.array([[10.0, 20.0, 30.0], [1.0, 2.0, 3.0]])
    # others' means: seed 0 -> (0, 1): row 1; seed 1 -> (.5, .5): row 0; seed 2 -> (.5, .5): row 0
    assert cross_fitted_best(test, val) == pytest.approx((1 + 20 + 30) / 3)


def test_seed_noise_is_pooled(rng):
    assert seed_noise(rng.normal(0, 0.3, (400, 6)) + rng.normal(size=(400, 1))) == pytest.approx(0.3, rel=0.05)


def test_image_error_is_the_jackknifes(rng):
    """For a mean of equal groups the delete-group jackknife is the plain standard error of the group means."""
    groups = rng.normal(size=(3, 50))
    without = (groups.sum(-1, keepdims=True) - groups) / 49
    assert image_error(without) == pytest.approx(stats.sem(groups, axis=-1))


def test_both_sources_of_variation_widen_the_interval(rng):
    values = rng.normal(size=8)
    seeds, both = t_interval(values), t_interval(values, error=0.3)
    assert both.high - both.value == pytest.approx(np.hypot(seeds.high - seeds.value, 1.959964 * 0.3))


def test_a_level_with_few_seeds_does_not_enter_the_worst_drop():
    differences = np.zeros((3, 6))
    differences[2] = [-0.2, -0.2, -0.2, -0.2, np.nan, np.nan]
    assert worst_drop(differences) == (0, 0, 0, 6)
