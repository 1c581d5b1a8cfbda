"""The noise of many means at once: what each variance over seeds says, and what all of a kind say together.

With ten seeds a variance is known to half of itself, and a comparison that stands in a family of forty needs a t of 4.1
where a known variance would need 3.0. Variances of one kind (of all levels of a page, say) are alike, so each is drawn
towards their common value, by as much as they are found to be alike: not at all where they differ. Letters: K means, S
seeds. Source: Smyth 2004 (moderated t), with degrees of freedom that allow for means that move together.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

LEAST_MEANS = 3
"""With fewer variances nothing can be said of how alike they are."""


class Prior(NamedTuple):
    """What variances of one kind have in common: their value, in squared units, and its worth in degrees of freedom.

    `degrees` is infinite where they differ by no more than chance; `most` is what all means together hold of it.
    """

    variance: float
    degrees: float
    most: float


NO_PRIOR = Prior(np.nan, 0.0, np.inf)
"""Each variance stands alone."""


def sample_variances(values_KS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance over seeds of each row of [K, S] and its degrees of freedom, [K] and [K]; NaN cells are left out."""
    finite = np.isfinite(values_KS)
    n = finite.sum(-1)
    means = np.where(finite, values_KS, 0).sum(-1) / np.maximum(n, 1)
    squares = (np.where(finite, values_KS - means[:, None], 0) ** 2).sum(-1)
    return np.where(n > 1, squares / np.maximum(n - 1, 1), np.nan), np.maximum(n - 1, 0)


def common_noise(values_KS: np.ndarray) -> Prior:
    """How alike the variances of K rows of values [K, S] are, by the spread of their logarithms.

    NO_PRIOR where they differ so much that the common value is worth less than a row's own, where rows are few, and
    where a row does not vary at all.
    """
    variances, degrees = sample_variances(values_KS)
    usable = degrees > 1
    if usable.sum() < LEAST_MEANS or not (variances[usable] > 0).all():
        return NO_PRIOR
    variance, half = variances[usable], degrees[usable] / 2
    logs = np.log(variance) - digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - polygamma(1, half).mean())
    most = _joint_degrees(values_KS[usable])
    if excess <= 0:
        return Prior(float(np.average(variance, weights=half)), np.inf, most)
    half_prior = brentq(lambda x: float(polygamma(1, x)) - excess, 1e-6, 1e9)
    if 2 * half_prior < degrees[usable].mean():
        return NO_PRIOR
    return Prior(float(np.exp(logs.mean() + digamma(half_prior) - np.log(half_prior))), 2 * half_prior, most)


def _joint_degrees(values_KS: np.ndarray) -> float:
    """Degrees of freedom of the mean of K variances of rows that move together: Satterthwaite's, by their correlations.

    Sample correlations are too large, so this is at most the square of a row's own: on the safe side.
    """
    complete = values_KS[:, np.isfinite(values_KS).all(0)]
    num = complete.shape[1]
    if num < 3:
        return 0.0
    correlations = np.nan_to_num(np.corrcoef(complete))
    return float((num - 1) * len(complete) ** 2 / (correlations**2).sum())


def moderated(variances_K: np.ndarray, degrees_K: np.ndarray, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Variances and their degrees of freedom, [K] and [K], with what the kind has in common."""
    if not prior.degrees:
        return variances_K, degrees_K.astype(float)
    own = np.nan_to_num(variances_K)
    if np.isinf(prior.degrees):
        pooled = np.full_like(own, prior.variance)
    else:
        pooled = (prior.degrees * prior.variance + degrees_K * own) / (prior.degrees + degrees_K)
    worth = np.maximum(np.minimum(prior.degrees + degrees_K, prior.most), degrees_K)
    return np.where(degrees_K > 0, pooled, np.nan), worth
