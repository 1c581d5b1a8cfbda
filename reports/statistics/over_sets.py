"""What several data sets say together. Two intervals answer two questions: what would another data set of this kind
show (Student's t over the sets' means), and what is the mean over just these sets (the errors within them)?

Letters: D data sets, S seeds of a set, H settings, T thresholds. Sets may have other numbers of seeds: what is measured
on each comes in a list of D arrays.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from evenkeel.reports.statistics.curves import means_of_others, of_chosen
from evenkeel.reports.statistics.intervals import (
    CONFIDENCE,
    MIN_SEEDS,
    Interval,
    nan_mean,
    standard_error_factor,
    t_interval,
)

SPREAD_OF_SETTINGS = (0.05, 0.95)
"""Quantiles of all settings of a data set that become 0 and 1."""


class MeanOverSets(NamedTuple):
    """A mean over D data sets; an interval has no ends where sets, or seeds of a set, are fewer than MIN_SEEDS."""

    over: Interval
    on_these: Interval

    @property
    def best_known(self) -> Interval:
        """The interval over sets, or with few of them that on these sets."""
        return self.over if np.isfinite(self.over.low) else self.on_these


def mean_over_sets(values: Sequence[np.ndarray], *, shared: float = 0.0) -> MeanOverSets:
    """The mean over sets of the mean over seeds, from one value a seed, [S] a set; `shared` as in t_interval."""
    finite = [own[np.isfinite(own)] for own in values]
    means_D = np.array([own.mean() if len(own) else np.nan for own in finite])
    return MeanOverSets(t_interval(means_D), _on_these(finite, means_D, shared))


def _on_these(values: Sequence[np.ndarray], means_D: np.ndarray, shared: float) -> Interval:
    """Source: Satterthwaite 1946, for errors that are independent between sets."""
    num_seeds = [len(own) for own in values]
    value, fewest = float(means_D.mean()), min(num_seeds, default=0)
    if fewest < MIN_SEEDS:
        return Interval(value, np.nan, np.nan, len(values))
    squares = np.array([own.var(ddof=1) * standard_error_factor(len(own), shared) ** 2 for own in values])
    total, degrees = squares.sum(), np.array(num_seeds) - 1
    joint = total**2 / (squares**2 / degrees).sum() if total > 0 else degrees.sum()
    half = float(special.stdtrit(joint, 0.5 + CONFIDENCE / 2) * np.sqrt(total)) / len(values)
    return Interval(value, value - half, value + half, len(values))


def share_within(lost: np.ndarray, limits_T: np.ndarray) -> np.ndarray:
    """The share of runs that lose at most a limit, [L, S] levels by seeds to [S, T]: a performance profile by seed.

    NaN marks a run that is missing; one that diverged has lost infinitely much. Source: Agarwal et al. 2021.
    """
    within_LST = np.where(np.isnan(lost)[..., None], np.nan, lost[..., None] <= limits_T)
    return nan_mean(within_LST, axis=0)


def normalised(scores_HS: np.ndarray, all_HS: np.ndarray) -> np.ndarray:
    """Scores [H, S] of a method, so that quantiles of the seed means of all settings [H', S] of all methods on the same
    data set are 0 and 1. NaN where these do not differ. Source: Adkins, Bowling and White 2024."""
    means_H = nan_mean(all_HS)
    low, high = np.quantile(means_H[np.isfinite(means_H)], SPREAD_OF_SETTINGS)
    return (scores_HS - low) / (high - low) if high > low else np.full_like(scores_HS, np.nan)


class OneSetting(NamedTuple):
    """One method with one setting for all data sets, and with a setting of its own for each; by seed, [S] a set."""

    shared: list[np.ndarray]
    own: list[np.ndarray]

    @property
    def missed(self) -> list[np.ndarray]:
        """Hyperparameter sensitivity: what one setting for all sets misses, by seed, [S] a set."""
        return [own - shared for own, shared in zip(self.own, self.shared, strict=True)]


def one_setting(test: Sequence[np.ndarray], val: Sequence[np.ndarray]) -> OneSetting:
    """What the same H settings reach on D sets, from normalised scores [H, S] a set on test and validation.

    Adkins, Bowling and White 2024 take the maximum over settings of means over runs, which noise lifts. Here the
    setting of a run is chosen without it: by validation, on the other seeds of its set and, for one setting of all
    sets, on the other sets too. A run that lacks a score is left out.
    """
    means_DH = np.nan_to_num([nan_mean(own) for own in val], nan=-np.inf)
    elsewhere = [np.delete(means_DH, d, axis=0).sum(0)[:, None] for d in range(len(val))]
    shared = [(means_of_others(own) + sums).argmax(0) for own, sums in zip(val, elsewhere, strict=True)]
    everywhere = [scores[chosen, np.arange(scores.shape[1])] for scores, chosen in zip(test, shared, strict=True)]
    return OneSetting(everywhere, [of_chosen(scores, own) for scores, own in zip(test, val, strict=True)])
