"""What a sensitivity curve says beside its reference curve and worst drop.

Letters: L levels, S seeds, H settings, G groups of test images. R-numbers are those of docs/reading.md. Scores and
differences are in the unit of their metric; `default` is the number of the default's level.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from evenkeel.reports.statistics.intervals import (
    CONFIDENCE,
    Interval,
    jackknife_error,
    nan_mean,
    rows_with_enough_seeds,
    t_interval,
)
from evenkeel.reports.statistics.multiple_testing import romano_wolf, sign_patterns


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
    chosen = chosen_by_others(val_LS)
    return test_LS - test_LS[chosen, np.arange(test_LS.shape[1])]


def chosen_by_others(val: np.ndarray) -> np.ndarray:
    """For each seed the row that is best on validation over the other seeds, [..., H, S] to [..., S].

    Where no other seed has a score, on the validation of the seed itself.
    """
    finite = np.isfinite(val)
    if val.shape[-1] > 1 and finite.all():
        return ((val.sum(-1, keepdims=True) - val) / (val.shape[-1] - 1)).argmax(-2)
    filled = np.where(finite, val, 0)
    sums, counts = filled.sum(-1, keepdims=True) - filled, finite.sum(-1, keepdims=True) - finite
    alone = ~counts.any(-2, keepdims=True)
    sums, counts = np.where(alone, filled, sums), np.where(alone, finite, counts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf).argmax(-2)


def cross_fitted_best(test: np.ndarray, val: np.ndarray) -> np.ndarray:
    """Mean over seeds of the test score of the setting that is best on validation over the other seeds.

    Unlike the highest mean it is not lifted by noise. [..., H, S] to [...]; NaN without any score.
    """
    chosen = chosen_by_others(val)[..., None, :]
    return nan_mean(np.take_along_axis(test, chosen, axis=-2)[..., 0, :])


def flat_null(differences_LS: np.ndarray, default: int, rng: np.random.Generator) -> FlatNull:
    """R4: each seed's differences [L, S] from the default change sign together; under no effect either is as likely.

    p: the largest |t| over levels against those of the flips (levels with unequal noise weigh the same). The band holds
    the naive curve of 95 % of the flips, level by level. NaN where a level has a missing seed.
    """
    moved = np.delete(differences_LS, default, axis=0)
    p_values = romano_wolf(moved, rng)
    p = float(np.nanmin(p_values)) if np.isfinite(p_values).any() else np.nan
    complete = differences_LS[:, np.isfinite(differences_LS).all(0)]
    if complete.shape[1] < 2:
        return FlatNull(p, *np.full((2, len(differences_LS)), np.nan))
    curves = sign_patterns(complete.shape[1], rng) @ complete.T / complete.shape[1]
    naive = curves - curves.max(1, keepdims=True)
    low, high = np.quantile(naive, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], axis=0)
    return FlatNull(p, low, high)


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
    surely differs), the high end the highest of the pairs' own limits: both safe, as for the worst drop. `images_LG`
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
