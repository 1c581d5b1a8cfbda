"""What another training set moves alike for all seeds, estimated where there are several training sets.

Letters: L differences or scores, K training sets (disjoint parts of the train rows), S bootstraps of each.
"""

from typing import NamedTuple

import numpy as np

from evenkeel.reports.statistics.intervals import CONFIDENCE, t_quantile


class SharedPart(NamedTuple):
    """c: the variance between training sets of a mean over many bootstraps, in that over bootstraps of one set."""

    value: float
    low: float
    high: float


def shared_part(scores_LKS: np.ndarray) -> SharedPart:
    """c of scores [L, K, S], pooled over L, by analysis of variance; its interval by the jackknife over training sets.

    With B and W the mean squares between and within sets, c = (B - W) / (S W) (Searle, Casella and McCulloch 1992,
    section 3.5). The interval is Student's t with K - 1 degrees on log(B / W). What holds a NaN is left out of L; NaN
    where nothing is left that varies.
    """
    scores_LKS = scores_LKS[np.isfinite(scores_LKS).all((1, 2))]
    num_sets, num_seeds = scores_LKS.shape[1:]
    log_ratio = _log_ratio(scores_LKS)
    without = np.array([_log_ratio(np.delete(scores_LKS, k, 1)) for k in range(num_sets)])
    error = np.sqrt((num_sets - 1) / num_sets * ((without - without.mean()) ** 2).sum())
    half = t_quantile(0.5 + CONFIDENCE / 2, num_sets - 1) * error
    return SharedPart(*((np.exp(log_ratio + np.array([0, -half, half])) - 1) / num_seeds))


def _log_ratio(scores_LKS: np.ndarray) -> float:
    """log(B / W), mean squares pooled over L."""
    num_seeds = scores_LKS.shape[2]
    between = num_seeds * scores_LKS.mean(2).var(1, ddof=1).sum()
    within = scores_LKS.var(2, ddof=1).mean(1).sum()
    return float(np.log(between / within)) if within > 0 and between > 0 else np.nan
