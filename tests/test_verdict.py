"""The rules of a verdict, each fault that a rule prevents as a test; expected values by hand, scipy or simulation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.verdict.seeds_needed import limited_by, seeds_needed
from evenkeel.reports.verdict.verdict import judge
from tests.synthetic import continuations, wider_by

MARGIN = 0.01


def sweep(differences_KS, default=0.5, *, diverged=(), floor=0.1):
    """A sweep whose default scores `default` at every seed; `diverged` are (level, seed), level 0 being the default."""
    scores = default + np.vstack([np.zeros(np.shape(differences_KS)[1]), differences_KS])
    floored, broken = scores.copy(), np.zeros(scores.shape, bool)
    for at in diverged:
        scores[at], floored[at], broken[at] = np.nan, floor, True
    levels = [float(k) for k in range(len(scores))]
    return Sweep("ral", "clip", levels, 0, tuple(range(scores.shape[1])), scores, floored, scores, broken)


def noisy(means, spread, n=6, seed=0):
    """Differences with exactly these means and standard deviations."""
    z = np.random.default_rng(seed).normal(size=(len(means), n))
    z = (z - z.mean(1, keepdims=True)) / z.std(1, ddof=1, keepdims=True)
    return np.array(means)[:, None] + spread * z


def half(n, spread, probability):
    return stats.t.ppf(probability, n - 1) * spread / np.sqrt(n)


class TestFaults:
    """Each of these was called steady once."""

    def test_a_level_with_four_of_six_seeds(self):
        differences = noisy([0.0, -0.2], 0.001)
        differences[1, 4:] = np.nan
        judged = judge(sweep(differences), MARGIN)
        assert judged.status == "too noisy"
        assert judged.reasons[0].startswith("clip 2 has 4 of 6 seeds, mean -0.2")

    def test_a_level_that_failed_everywhere_or_was_never_run(self):
        differences = np.vstack([noisy([0.0], 0.001), np.full((1, 6), np.nan)])
        judged = judge(sweep(differences), MARGIN)
        assert judged.status == "too noisy" and judged.reasons == ("clip 2 has 0 of 6 seeds",)

    def test_everything_diverged(self):
        everything = [(k, s) for k in range(3) for s in range(6)]
        judged = judge(sweep(noisy([0.0, 0.0], 0.001), diverged=everything), MARGIN)
        assert judged.status == "not judged" and judged.reasons[0] == "the default diverged in 6 of 6 seeds"

    def test_a_default_that_diverged(self):
        judged = judge(sweep(noisy([0.5, 0.5], 0.001), 0.0, diverged=[(0, s) for s in range(6)]), MARGIN)
        assert judged.status == "not judged" and np.isnan(judged.drop.value)

    def test_one_diverged_seed_is_not_steady_and_no_score(self):
        judged = judge(sweep(noisy([0.0, 0.0], 0.001), diverged=[(2, 3)]), MARGIN)
        assert judged.status in ("real drop, size open", "sensitive")
        assert judged.reasons[0].startswith("clip 2 diverged in 1 of 6 seeds")
        assert abs(judged.drop.value) < 0.002 and judged.drop.n == 5

    def test_a_default_at_the_floor(self):
        judged = judge(sweep(noisy([0.0, 0.0], 0.001), 0.06), MARGIN, floor=0.055)
        assert judged.status == "not judged" and "not surely better than a constant predictor" in judged.reasons[0]

    def test_a_default_whose_interval_with_test_images_reaches_the_floor(self):
        """Seeds alone put 0.10 surely above 0.06; the test images do not: nothing is concluded from what it loses."""
        surely = sweep(noisy([0.0], 0.001), 0.1)
        images = np.broadcast_to(0.1, (2, 6, 3)) + np.array([-0.02, 0.0, 0.02])
        error = np.sqrt(2 / 3 * (2 * 0.02**2))
        assert 0.1 - 1.96 * error < 0.06 + MARGIN < 0.1
        assert judge(surely, MARGIN, floor=0.06).status == "steady"
        judged = judge(replace(surely, images_LSG=images), MARGIN, floor=0.06)
        assert judged.status == "not judged" and "not surely better" in judged.reasons[0]

    def test_few_seeds(self):
        judged = judge(sweep(np.zeros((3, 3))), MARGIN)
        assert judged.status == "too few seeds" and judged.seeds_needed == 5


class TestRules:
    def test_a_sure_drop_around_the_margin_leaves_its_size_open(self):
        """-0.012 [-0.014, -0.009] at margin 0.01; the lower end errs in 5 %, the upper in 2.5 %."""
        judged = judge(sweep(noisy([-0.012], 0.0022)), MARGIN)
        assert judged.own[1:3] == pytest.approx((-0.012 - half(6, 0.0022, 0.975), -0.012 + half(6, 0.0022, 0.975)))
        assert judged.drop[1:3] == pytest.approx((-0.012 - half(6, 0.0022, 0.95), judged.own.high))
        assert judged.drop.low < -MARGIN < judged.drop.high < 0 and judged.status == "real drop, size open"

    def test_steady_rests_on_the_90_percent_interval(self):
        """One one-sided test at 5 %: the 95 % interval reaches over the margin, the 90 % interval does not."""
        spread, n = 0.01, 8
        mean = -MARGIN + (half(n, spread, 0.95) + half(n, spread, 0.975)) / 2
        judged = judge(sweep(noisy([mean], spread, n)), MARGIN)
        assert judged.own.low < -MARGIN < judged.drop.low and judged.status == "steady"
        assert judged.drop.low == pytest.approx(mean - half(n, spread, 0.95))

    def test_sensitive_and_too_noisy(self):
        assert judge(sweep(noisy([-0.05, 0.0], 0.003)), MARGIN).status == "sensitive"
        assert judge(sweep(noisy([0.0], 0.03)), MARGIN).status == "too noisy"

    @pytest.mark.parametrize(("floor", "status"), [(0.1, "sensitive"), (0.4, "real drop, size open")])
    def test_divergence_costs_its_rate_times_the_fall(self, floor, status):
        """1 of 6: Wilson's low end is 3.0 %, so a fall of 0.4 costs at least 0.012, one of 0.1 at least 0.003."""
        low = stats.binomtest(1, 6).proportion_ci(method="wilson").low
        assert 0.1 * low < MARGIN < 0.4 * low
        judged = judge(sweep(noisy([0.0], 0.001), diverged=[(1, 0)], floor=floor), MARGIN)
        assert judged.status == status
        assert judged.reasons[0].endswith("which alone costs more than the margin") == (status == "sensitive")

    def test_a_better_level_is_said_with_an_interval_corrected_for_the_number_of_levels(self):
        judged = judge(sweep(noisy([0.02, 0.005, -0.001], 0.003)), MARGIN)
        (better,) = judged.better_levels
        assert better.level == 1.0 and better.gain.low == pytest.approx(0.02 - half(6, 0.003, 1 - 0.025 / 3))

    def test_test_images_can_keep_a_verdict_open(self):
        """Three groups of test images disagree: a wider interval of the same seeds, and more seeds are no help."""
        one = sweep(noisy([0.0], 0.001))
        images = np.broadcast_to(0.5, (2, 6, 3)).copy()
        images[1] += [-0.02, 0.0, 0.02]
        both = Sweep(**{**vars(one), "images_LSG": images})
        assert judge(one, MARGIN).status == "steady"
        error = wider_by(3) * np.sqrt(2 / 3 * (2 * 0.02**2))
        assert both.image_errors_L == pytest.approx([0, error])
        judged = judge(both, MARGIN)
        assert judged.status == "too noisy" and judged.seeds_needed is None and judged.limited_by == "test images"
        assert judged.own.high == pytest.approx(np.hypot(half(6, 0.001, 0.975), 2.009575 * error))
        assert judged.drop.high == pytest.approx(2.009575 * error, rel=0.01)

    @pytest.mark.parametrize(
        ("mean", "noise", "images", "limit"),
        [
            (0.0, 0.02, 0.0, "train rows"),
            (0.0, 0.002, 0.02, "test images"),
            (0.0, 0.02, 0.02, "test images and train rows"),
            (-0.0099, 0.02, 0.0, "train rows"),
        ],
    )
    def test_what_more_seeds_would_not_settle_says_what_would(self, mean, noise, images, limit):
        """Half of the variance over bootstraps stays, whatever their number; so does what test images are worth."""
        groups = np.broadcast_to(0.5, (2, 6, 3)).copy()
        groups[1] += [-images, 0.0, images]
        one = Sweep(**{**vars(sweep(noisy([mean], noise))), "images_LSG": groups, "shared": 0.5})
        judged = judge(one, MARGIN)
        assert (judged.status, judged.seeds_needed, judged.limited_by) == ("too noisy", None, limit)


def estimates(differences_KS):
    return Estimates.of_values(np.asarray(differences_KS), np.zeros(len(differences_KS)), shared=0.0)


class TestSeedsNeeded:
    def test_they_settle_four_of_five_studies(self, rng):
        values = noisy([0.0], 0.02)
        n = seeds_needed(estimates(values), MARGIN, 0.05, 0.025)
        simulated = continuations(np.asarray(values)[0], n, rng)
        lows = simulated.mean(1) - stats.t.ppf(0.95, n - 1) * simulated.std(1, ddof=1) / np.sqrt(n)
        highs = simulated.mean(1) + stats.t.ppf(0.975, n - 1) * simulated.std(1, ddof=1) / np.sqrt(n)
        settled = (lows > -MARGIN) | (highs < -MARGIN)
        assert n > len(values[0]) and settled.mean() == pytest.approx(0.8, abs=0.05)

    def test_many_seeds_on_the_margin_are_never_enough(self):
        many = estimates(noisy([-0.01], 0.02, n=200))
        assert seeds_needed(many, MARGIN, 0.05, 0.025) is None and limited_by(many, MARGIN, 0.05, 0.025) == ""

    def test_without_two_seeds_the_least_that_gives_an_interval(self):
        assert seeds_needed(estimates(np.zeros((2, 1))), MARGIN, 0.05, 0.025) == 5


def test_verdicts_are_rarely_wrong(rng):
    """A drop of exactly the margin is called steady in at most 5 %, sensitive in at most 2.5 % of 2,000 studies."""
    statuses = [judge(sweep(rng.normal([[-MARGIN], [0.0]], 0.01, (2, 6))), MARGIN).status for _ in range(2000)]
    assert np.mean([s == "steady" for s in statuses]) <= 0.06
    assert np.mean([s == "sensitive" for s in statuses]) <= 0.035
