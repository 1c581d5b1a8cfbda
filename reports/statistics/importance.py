"""R14: how much of the variance over the box each hyperparameter and each pair explains.

The seed means of the Sobol points are fitted by polynomials that are orthogonal over the box (Legendre; for a choice,
orthogonal contrasts of its options), so that the squares of the coefficients are the variance shares. Nothing is said
where the fit does not predict settings that it has not seen. Letters: H settings, D hyperparameters, P terms.
Source: Sudret 2008; the leave-one-out error is exact for least squares.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from evenkeel.reports.facts import ParameterFacts

LEAST_Q2 = 0.5
"""Below it the fit does not predict settings that it has not seen, and no shares are given."""
DEGREES = (1, 2, 3, 4)
SETTINGS_PER_TERM = 2
Term = tuple[int, ...]
"""Numbers of the hyperparameters that a term is made of."""


class VarianceShares(NamedTuple):
    """Shares of the variance of the fit by terms, in [0, 1], and how well it predicts unseen settings (1: exactly)."""

    q2: float
    by_term: dict[Term, float]


def variance_shares(columns: list[np.ndarray], values_H: np.ndarray) -> VarianceShares:
    """R14: shares of the best of several fits to the seed means values_H [H].

    `columns` holds the orthonormal functions [H, P] of each hyperparameter. q2 is NaN where there are too few settings
    for any fit, or nothing varies.
    """
    if not np.ptp(values_H) > 0:
        return VarianceShares(np.nan, {})
    fits = [_fit(terms, values_H) for terms in _candidates(columns, len(values_H))]
    return max(fits, key=lambda fit: fit.q2, default=VarianceShares(np.nan, {}))


def orthonormal_functions(values: np.ndarray, parameter: ParameterFacts) -> np.ndarray:
    """Orthonormal functions of one hyperparameter at its values, [H] to [H, P]: by rising degree, no constant."""
    if parameter.options:
        numbers = [parameter.options.index(value) for value in values]
        num = len(parameter.options)
        basis, _ = np.linalg.qr(np.column_stack([np.ones(num), np.eye(num)[:, 1:]]))
        return np.sqrt(num) * basis[numbers, 1:]
    assert parameter.low is not None and parameter.high is not None
    x, low, high = values.astype(float), parameter.low, parameter.high
    if parameter.log:
        x, low, high = np.log(x), np.log(low), np.log(high)
    unit = 2 * (x - low) / (high - low) - 1
    return legendre.legvander(unit, max(DEGREES))[:, 1:] * np.sqrt(2 * np.arange(1, max(DEGREES) + 1) + 1)


def _candidates(columns: list[np.ndarray], num_settings: int) -> list[list[tuple[Term, np.ndarray]]]:
    """Main effects of each degree alone, and with the products of the first functions of every pair."""
    candidates = []
    pairs = [((a, b), columns[a][:, :1] * columns[b][:, :1]) for a, b in combinations(range(len(columns)), 2)]
    for degree in DEGREES:
        mains: list[tuple[Term, np.ndarray]] = [((d,), part[:, :degree]) for d, part in enumerate(columns)]
        for terms in (mains, [*mains, *pairs]):
            if SETTINGS_PER_TERM * (1 + sum(part.shape[1] for _, part in terms)) <= num_settings:
                candidates.append(terms)
    return candidates


def _fit(terms: list[tuple[Term, np.ndarray]], values_H: np.ndarray) -> VarianceShares:
    design = np.column_stack([np.ones(len(values_H)), *(part for _, part in terms)])
    q, r = np.linalg.qr(design)
    if np.abs(np.diag(r)).min() < 1e-9:
        return VarianceShares(-np.inf, {})
    coefficients = np.linalg.solve(r, q.T @ values_H)
    residuals = (values_H - design @ coefficients) / np.maximum(1 - (q**2).sum(1), 1e-9)
    left_out_means = (values_H.sum() - values_H) / (len(values_H) - 1)
    q2 = 1 - float((residuals**2).sum() / ((values_H - left_out_means) ** 2).sum())
    ends = np.cumsum([1, *(part.shape[1] for _, part in terms)])
    squares = {t: float((coefficients[a:b] ** 2).sum()) for (t, _), a, b in zip(terms, ends, ends[1:], strict=False)}
    total = sum(squares.values())
    return VarianceShares(q2, {term: square / total for term, square in squares.items()} if total > 0 else {})
