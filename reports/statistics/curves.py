"""What a sensitivity curve says beside its reference curve and worst change.

Letters: L levels, S seeds, H settings, G groups of test images. R-numbers are those of docs/reading.md. Scores and
differences are in the unit of their metric; `default` is the number of the default's level.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.intervals import (
    CONFIDENCE,
    Interval,
    jackknife_error,
    nan_mean,
    rows_with_enough_seeds,
    standard_error_factor,
    t_interval,
)
from evenkeel.reports.statistics.pooled_noise import NO_PRIOR, Prior

NUM_DRAWN = 2000
"""Flat curves [D] from which the grey band is made."""


class FlatNull(NamedTuple):
    """R4: what the naive curve looks like when nothing matters: a band [L], and p of the measured curve."""

    p: float
    low_L: np.ndarray
    high_L: np.ndarray


def naive_curve(scores_LS: np.ndarray) -> np.ndarray:
    """R1, as RAL Fig. 4: mean over seeds minus the highest such mean, [L, S] to [L]. Biased down by its own noise."""
    means = nan_mean(scores_LS)
    return means - np.nanmax(means) if np.isfinite(means).any() else means


def cross_fitted_curve(test_LS: np.ndarray, val_LS: np.ndarray) -> np.ndarray:
    """R3: F_r(k) - F_r(k*), [L, S] to [L, S], k* the level whose validation score, over the other seeds, is highest.

    Unlike the naive curve it does not fall by its own noise alone. NaN where a score is missing.
    """
    return test_LS - of_chosen(test_LS, val_LS)


def chosen_by_others(val: np.ndarray) -> np.ndarray:
    """For each seed the row that is best on validation over the other seeds, [..., H, S] to [..., S].

    Where no other seed has a score, on the validation of the seed itself.
    """
    return means_of_others(val).argmax(-2)


def means_of_others(val: np.ndarray) -> np.ndarray:
    """For each seed the mean of each row over the other seeds, [..., H, S]; -inf where none of them has a score.

    Where that is so of all rows, the seed's own score.
    """
    finite = np.isfinite(val)
    if val.shape[-1] > 1 and finite.all():
        return (val.sum(-1, keepdims=True) - val) / (val.shape[-1] - 1)
    filled = np.where(finite, val, 0)
    sums, counts = filled.sum(-1, keepdims=True) - filled, finite.sum(-1, keepdims=True) - finite
    alone = ~counts.any(-2, keepdims=True)
    sums, counts = np.where(alone, filled, sums), np.where(alone, finite, counts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)


def of_chosen(test: np.ndarray, val: np.ndarray) -> np.ndarray:
    """For each seed the test score of the row that `chosen_by_others` takes, [..., H, S] to [..., S].

    NaN where no row has a validation score: then nothing can be chosen.
    """
    means = means_of_others(val)
    chosen = np.take_along_axis(test, means.argmax(-2)[..., None, :], axis=-2)[..., 0, :]
    return np.where(np.isfinite(means).any(-2), chosen, np.nan)


def cross_fitted_best(test: np.ndarray, val: np.ndarray) -> np.ndarray:
    """Mean over seeds of the test score of the setting that is best on validation over the other seeds.

    Unlike the highest mean it is not lifted by noise. [..., H, S] to [...]; NaN without any score.
    """
    return nan_mean(of_chosen(test, val))


def flat_null(
    differences_LS: np.ndarray,
    default: int,
    rng: np.random.Generator,
    *,
    images_LG: np.ndarray | None = None,
    shared: float = 0.0,
    noise: Prior = NO_PRIOR,
) -> FlatNull:
    """R4: what a curve of these errors looks like when nothing matters, and whether this one is more.

    differences_LS [L, S] from the default; `images_LG` [L, G] are their means without each group of test images,
    `shared` as in t_interval, `noise` what levels have in common. p: the least of the levels', corrected for their
    number; levels with unequal noise weigh the same. The band holds the naive curve of 95 % of drawn flat curves.
    """
    errors = np.zeros(len(differences_LS)) if images_LG is None else jackknife_error(images_LG)
    moved = np.delete(np.arange(len(differences_LS)), default)
    estimates = Estimates.of_values(differences_LS[moved], errors[moved], shared=shared, prior=noise)
    p_values = estimates.two_sided_p()
    decided = p_values[np.isfinite(p_values)]
    p = float(np.minimum(1, decided.min() * len(decided))) if len(decided) else np.nan
    complete = differences_LS[:, np.isfinite(differences_LS).all(0)]
    if complete.shape[1] < 2:
        return FlatNull(p, *np.full((2, len(differences_LS)), np.nan))
    curves = _flat_curves(complete, images_LG, shared, rng)
    naive = curves - curves.max(1, keepdims=True)
    low, high = np.quantile(naive, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], axis=0)
    return FlatNull(p, low, high)


def _flat_curves(
    differences_LS: np.ndarray, images_LG: np.ndarray | None, shared: float, rng: np.random.Generator
) -> np.ndarray:
    """Mean curves [D, L] as they would be if nothing mattered: seeds with train rows as a t, test images as another."""
    n = differences_LS.shape[1]
    residuals = differences_LS - differences_LS.mean(1, keepdims=True)
    scale = standard_error_factor(n, shared) / np.sqrt(rng.chisquare(n - 1, NUM_DRAWN))
    curves = scale[:, None] * (rng.normal(size=(NUM_DRAWN, n)) @ residuals.T)
    if images_LG is None:
        return curves
    num_groups = images_LG.shape[1]
    deviations = np.sqrt((num_groups - 1) / num_groups) * (images_LG - images_LG.mean(1, keepdims=True))
    wider = np.sqrt((num_groups - 1) / rng.chisquare(num_groups - 1, NUM_DRAWN))
    return curves + wider[:, None] * (rng.normal(size=(NUM_DRAWN, num_groups)) @ deviations.T)


def areas(differences_LS: np.ndarray, default: int) -> np.ndarray:
    """R6, signed: mean over levels other than the default of what each seed loses there, [S].

    NaN for a seed that lacks a level. Never rectified: rectified areas of two flat losses differ when only their noise
    does.
    """
    lost = -np.delete(differences_LS, default, axis=0)
    return lost.mean(0)


def magnitude(differences_LS: np.ndarray, default: int) -> float:
    """Signed root of the cross-validated square: mean over levels and pairs of different seeds of D_r(k) D_s(k).

    differences_LS [L, S]; NaN with fewer than two complete seeds. The square is 0 on average when nothing matters,
    whatever the noise, and counts gains as it counts losses. Source: Walther et al. 2016; R18.
    """
    moved = np.delete(differences_LS, default, axis=0)
    moved = moved[:, np.isfinite(moved).all(0)]
    n = moved.shape[1]
    if n < 2 or not len(moved):
        return np.nan
    square = float(np.mean((moved.sum(1) ** 2 - (moved**2).sum(1)) / (n * (n - 1))))
    return float(np.sign(square) * np.sqrt(abs(square)))


def span(differences_LS: np.ndarray, images_LG: np.ndarray | None = None, *, shared: float = 0.0) -> Interval:
    """R5: the highest minus the lowest mean of the reference curve [L, S], with an interval that allows for the choice.

    The low end is that of the best pair of levels at a confidence corrected for the number of pairs (0 when no pair
    surely differs), the high end the highest of the pairs' own limits: both safe, as for the worst change. `images_LG`
    [L, G] are the means without each group of test images. Levels with few seeds are left out while others have enough.
    """
    kept = rows_with_enough_seeds(differences_LS)
    pairs = list(combinations(kept, 2))
    if not pairs:
        return Interval(np.nan, np.nan, np.nan, 0)
    rows = [(differences_LS[a] - differences_LS[b], _image_error_of_pair(images_LG, a, b)) for a, b in pairs]
    own = [t_interval(row, error=error, shared=shared) for row, error in rows]
    confidence = 1 - (1 - CONFIDENCE) / len(pairs)
    corrected = [t_interval(row, confidence, error, shared=shared) for row, error in rows]
    low = max(0.0, *(max(i.low, -i.high) for i in corrected)) if np.isfinite(own[0].low) else np.nan
    high = max(max(i.high, -i.low) for i in own)
    return Interval(float(np.ptp(nan_mean(differences_LS)[kept])), low, high, min(i.n for i in own))


def _image_error_of_pair(images_LG: np.ndarray | None, a: int, b: int) -> float:
    return 0.0 if images_LG is None else float(jackknife_error(images_LG[a] - images_LG[b]))


def seed_noise(scores_LS: np.ndarray) -> float:
    """R16: standard deviation over seeds, pooled over the levels of [L, S]; NaN without two seeds at any level."""
    rows = [row[np.isfinite(row)] for row in scores_LS]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        return np.nan
    return float(np.sqrt(sum(((r - r.mean()) ** 2).sum() for r in rows) / sum(len(r) - 1 for r in rows)))
