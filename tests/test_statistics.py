"""The statistics against scipy, closed forms and simulation."""

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.statistics.intervals import jackknife_error, t_interval, wilson, worst_drop
from evenkeel.reports.statistics.shared_part import shared_part


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


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (20, 20)])
def test_wilson_is_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n)[1:3] == pytest.approx((expected.low, expected.high))


def test_image_error_is_the_jackknifes(rng):
    """For a mean of equal groups the delete-group jackknife is the plain standard error of the group means."""
    groups = rng.normal(size=(3, 50))
    without = (groups.sum(-1, keepdims=True) - groups) / 49
    assert jackknife_error(without) == pytest.approx(stats.sem(groups, axis=-1))


def test_both_sources_of_variation_widen_the_interval(rng):
    values = rng.normal(size=8)
    seeds, both = t_interval(values), t_interval(values, error=0.3)
    assert both.high - both.value == pytest.approx(np.hypot(seeds.high - seeds.value, 2.009575 * 0.3))


def test_a_level_with_few_seeds_does_not_enter_the_worst_drop():
    differences = np.zeros((3, 6))
    differences[2] = [-0.2, -0.2, -0.2, -0.2, np.nan, np.nan]
    assert worst_drop(differences)[:4] == (0, 0, 0, 6)


def test_intervals_with_images_cover_what_a_fresh_test_set_would_say(rng):
    """Images like a level more or less. Over fresh seeds and test sets the truth is held; by seeds alone it is not."""
    num_images, num_groups, num_seeds = 500, 50, 6
    hits, former = 0, 0
    for _ in range(1000):
        images = -0.01 + rng.normal(0, 0.5, num_images)  # what the level changes, by image
        seeds = rng.normal(0, 0.01, num_seeds)
        groups = images.reshape(num_groups, -1)
        without = (images.sum() - groups.sum(1)) / (num_images - num_images / num_groups)
        differences = images.mean() + seeds
        both, alone = t_interval(differences, error=float(jackknife_error(without))), t_interval(differences)
        hits += both.low <= -0.01 <= both.high
        former += alone.low <= -0.01 <= alone.high
    assert 0.93 <= hits / 1000 <= 0.97 and former / 1000 < 0.7


def coverage_of_bagged(score, truth, rng, shared=0.5, own=0.0):
    """Seeds see bootstraps of one training set [rows, 40]; the truth is the mean over all training sets. How often do
    the interval of train rows, and the interval of their seeds alone, hold it? `own`: what initial weights add to a
    seed's view, in standard deviations of what its bootstrap does."""
    num_rows, num_seeds, hits, former, studies = 100, 10, 0, 0, 1000
    for _ in range(studies):
        rows = rng.normal(0, 1, (num_rows, 40))
        seen = rows[rng.integers(num_rows, size=(num_seeds, num_rows))].mean(1)
        scores = score(seen + rng.normal(0, own / np.sqrt(num_rows), seen.shape))
        both, alone = t_interval(scores, shared=shared), t_interval(scores)
        hits += both.low <= truth <= both.high
        former += alone.low <= truth <= alone.high
    return hits / studies, former / studies


def test_bootstraps_of_the_train_rows_cover_another_training_set(rng):
    """A share of right answers, each of which the training rows decide: as F1, AP and AUC are made."""
    both, alone = coverage_of_bagged(lambda answers: (answers > 0).mean(1), 0.5, rng)
    assert 0.93 <= both <= 0.97 and alone < 0.75


def test_initial_weights_lessen_what_train_rows_share(rng):
    """Orthant probabilities: where weights and bootstraps move answers alike, the share of seeds that are right varies
    over training sets by asin(1/3) / 2 pi, and over seeds by what 1/4 leaves."""
    theory = np.arcsin(1 / 3) / (2 * np.pi)
    both, _ = coverage_of_bagged(lambda answers: (answers > 0).mean(1), 0.5, rng, theory / (0.25 - theory), own=1.0)
    assert 0.93 <= both <= 0.97


def test_a_score_that_is_linear_in_the_train_rows_is_held_less_often_but_mostly(rng):
    both, alone = coverage_of_bagged(lambda answers: answers.mean(1), 0.0, rng)
    assert both >= 0.85 and alone < 0.6


def test_the_shared_part_is_that_of_a_one_way_analysis_of_variance(rng):
    scores = rng.normal(size=(10, 6)) + rng.normal(size=(10, 1))
    ratio = stats.f_oneway(*scores).statistic
    assert shared_part(scores[None]).value == pytest.approx((ratio - 1) / 6)
    with_a_gap = np.stack([scores, np.where(np.eye(10, 6), np.nan, scores)])
    assert shared_part(with_a_gap) == shared_part(scores[None])


@pytest.mark.parametrize("shared", [0.1, 0.75])
def test_intervals_of_the_shared_part_cover_it(rng, shared):
    """Eight settings, half of whose variance moves all of them alike: the intervals hold c in 91 to 97 %."""
    hits = 0
    for _ in range(500):
        between, within = (rng.normal(size=(8, *size)) + rng.normal(size=(1, *size)) for size in ((10, 1), (10, 6)))
        part = shared_part(np.sqrt(shared) * between + within)
        hits += part.low <= shared <= part.high
    assert 455 <= hits <= 485
