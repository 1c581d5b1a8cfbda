"""What a curve says, against closed forms and simulation: flat landscapes stay flat, sharp ones are found."""

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.statistics.curves import (
    areas,
    cross_fitted_best,
    cross_fitted_curve,
    flat_null,
    magnitude,
    naive_curve,
    seed_noise,
    span,
)
from evenkeel.reports.statistics.intervals import t_interval


def differences(scores_LS):
    return scores_LS - scores_LS[0]


def test_the_naive_curve_drops_on_a_flat_landscape(rng):
    """Nine levels, nothing matters: with one seed the mean drop is 1.49 sigma, the worst 2.97 sigma."""
    curves = np.array([naive_curve(rng.normal(size=(9, 1))) for _ in range(4000)])
    assert -curves.mean() == pytest.approx(1.49, abs=0.03)
    assert -curves.min(1).mean() == pytest.approx(2.97, abs=0.03)


class TestCrossFitting:
    def test_the_curve_is_not_lifted_by_noise(self, rng):
        """Flat: the naive curve of five seeds falls by 0.66 sigma on average, the cross-fitted one by nothing."""
        studies = [rng.normal(size=(9, 5)) for _ in range(2000)]
        assert np.mean([naive_curve(s).mean() for s in studies]) == pytest.approx(-1.485 / np.sqrt(5), abs=0.02)
        assert np.mean([cross_fitted_curve(s, s).mean() for s in studies]) == pytest.approx(0, abs=0.02)

    def test_naive_and_cross_fitted_bracket_the_truth(self, rng):
        """A slope: the difference from the true best lies between the two."""
        truth = np.linspace(-1, 0, 6)
        studies = [truth[:, None] + rng.normal(size=(6, 5)) for _ in range(2000)]
        naive = np.mean([naive_curve(s) for s in studies], axis=0)
        crossed = np.mean([cross_fitted_curve(s, s).mean(1) for s in studies], axis=0)
        assert (naive < truth).all() and (truth < crossed).all()

    def test_the_curve_is_the_best_by_hand(self):
        val = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
        test = np.array([[10.0, 20.0, 30.0], [1.0, 2.0, 3.0]])
        # others' means: seed 0 -> (0, 1): row 1; seed 1 -> (.5, .5): row 0; seed 2 -> (.5, .5): row 0
        assert cross_fitted_curve(test, val).tolist() == [[9, 0, 0], [0, -18, -27]]
        assert cross_fitted_best(test, val) == pytest.approx((1 + 20 + 30) / 3)

    def test_a_seed_without_others_chooses_on_its_own_validation(self):
        nan = np.nan
        test = np.array([[1, nan, nan], [9, nan, nan]])
        assert cross_fitted_best(test, test) == 9
        assert cross_fitted_best(test[:, :1], test[:, :1]) == 9

    def test_the_best_is_not_lifted_by_noise(self, rng):
        scores = rng.normal(0, 1, (2000, 12, 5))
        assert scores.mean(2).max(1).mean() > 0.6
        assert cross_fitted_best(scores, scores).mean() == pytest.approx(0, abs=0.03)


class TestFlatNull:
    @pytest.mark.parametrize("spreads", [[1, 1, 1, 1, 1], [1, 1, 1, 1, 5], [5, 1, 1, 1, 1]])
    @pytest.mark.parametrize("heavy", [False, True])
    def test_a_flat_curve_is_called_flat_whatever_the_noise(self, spreads, heavy, rng):
        """Unequal noise and heavy tails: p <= 0.05 in at most 5 % (binomial bounds of 400 studies: 7.5 %)."""
        draw = (lambda size: rng.standard_t(3, size)) if heavy else rng.normal
        p = [
            flat_null(differences(draw(size=(5, 6)) * np.array(spreads)[:, None]), 0, rng).p for _ in range(400)
        ]  # fmt: skip
        assert np.mean(np.array(p) <= 0.05) <= 0.075

    def test_a_sharp_curve_is_found(self, rng):
        scores = rng.normal(0, 0.01, (7, 6)) + np.linspace(0, 0.1, 7)[:, None]
        assert flat_null(differences(scores), 0, rng).p < 1e-4

    def test_p_is_that_of_the_least_level_corrected_for_their_number(self, rng):
        """Against scipy's t test, where nothing is shared and no noise is pooled."""
        scores = rng.normal([[0.0], [0.5], [1.0]], 1, (3, 8))
        least = stats.ttest_1samp(differences(scores)[1:], 0, axis=1).pvalue.min()
        assert flat_null(differences(scores), 0, rng).p == pytest.approx(min(1, 2 * least))

    @pytest.mark.parametrize("shared", [0.0, 0.5])
    def test_p_and_band_hold_what_train_rows_and_images_add(self, shared, rng):
        """What another training set and test set do to a flat curve is not taken for an effect."""
        low, inside = [], []
        for _ in range(300):
            images = rng.normal(0, 0.5 * np.sqrt(20), (5, 20))
            scores = rng.normal(size=(5, 8)) + np.sqrt(shared) * rng.normal(size=(5, 1)) + images.mean(1, keepdims=True)
            left_out = differences(scores).mean(1, keepdims=True) + (images.mean(1, keepdims=True) - images) / 19
            null = flat_null(differences(scores), 0, rng, images_LG=left_out - left_out[0], shared=shared)
            low.append(null.p <= 0.05)
            inside.append((naive_curve(scores) >= null.low_L - 1e-9).mean())
        assert np.mean(low) <= 0.075 and np.mean(inside) >= 0.93

    def test_the_band_holds_naive_curves_of_flat_landscapes(self, rng):
        inside = []
        for _ in range(300):
            scores = rng.normal(size=(5, 8))
            null = flat_null(differences(scores), 0, rng)
            inside.append((naive_curve(scores) >= null.low_L - 1e-9).mean())
        assert np.mean(inside) >= 0.93


class TestAreas:
    def test_by_hand_gains_count_against_losses(self):
        curve = np.array([[0.0, 0.0], [-0.2, -0.1], [0.1, -0.1]])
        assert areas(curve, 0) == pytest.approx([0.05, 0.1])
        assert np.isnan(areas(np.array([[0.0, 0.0], [np.nan, 1.0]]), 0)).tolist() == [True, False]

    def test_two_flat_losses_that_differ_in_noise_do_not_differ(self, rng):
        """Ten seeds: the rectified area tells them apart in most studies, the signed one in one of twenty."""
        told, rectified = [], []
        for _ in range(1000):
            quiet, loud = (differences(rng.normal(0, s, (7, 10))) for s in (0.002, 0.02))
            told.append(t_interval(areas(loud, 0) - areas(quiet, 0)))
            lost = [np.maximum(0, -d).mean(0) for d in (loud, quiet)]
            rectified.append(t_interval(lost[0] - lost[1]))
        wrong, former = (np.mean([i.low > 0 or i.high < 0 for i in found]) for found in (told, rectified))
        assert 0.03 <= wrong <= 0.07 and former > 0.5

    def test_the_magnitude_is_unbiased(self, rng):
        """Squares: 0 on average when flat, the mean square of the truth when not."""
        truth = np.array([0.0, 0.3, -0.4])
        flat = [magnitude(differences(rng.normal(size=(3, 6))), 0) for _ in range(3000)]
        steep = [magnitude(differences(truth[:, None] + rng.normal(0, 0.2, (3, 6))), 0) for _ in range(3000)]
        assert np.mean(np.sign(flat) * np.square(flat)) == pytest.approx(0, abs=0.02)
        assert np.mean(np.sign(steep) * np.square(steep)) == pytest.approx((0.09 + 0.16) / 2, abs=0.005)


class TestSpan:
    @pytest.mark.parametrize("truth", [[0.0, 0.0, 0.0, 0.0], [0.0, -0.01, -0.02, 0.005]])
    def test_covers_the_truth_although_the_levels_are_chosen(self, truth, rng):
        found = [span(differences(np.array(truth)[:, None] + rng.normal(0, 0.006, (4, 6)))) for _ in range(500)]
        assert np.mean([i.low <= np.ptp(truth) <= i.high for i in found]) >= 0.93

    def test_of_two_levels_is_their_difference(self, rng):
        scores = rng.normal(0, 0.001, (2, 6)) + np.array([[0], [-0.1]])
        expected = t_interval(scores[0] - scores[1])
        assert span(differences(scores))[:3] == pytest.approx(expected[:3])


def test_seed_noise_is_pooled(rng):
    assert seed_noise(rng.normal(0, 0.3, (400, 6)) + rng.normal(size=(400, 1))) == pytest.approx(0.3, rel=0.05)
