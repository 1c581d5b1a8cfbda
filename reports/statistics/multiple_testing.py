"""Many paired comparisons at once: sign-flip tests, corrected for their number by Romano and Wolf's step-down.

Letters: C comparisons, S seeds, F sign patterns. Under the hypothesis of no difference each seed's differences may
change sign, all comparisons of a seed together, so that their dependence is kept. Every statistic is studentised:
comparisons with unequal noise weigh the same. Source: Romano and Wolf 2005; the flips are those of sign_flip_p.
"""

from itertools import product

import numpy as np
from scipy import stats

from evenkeel.reports.statistics.intervals import POWER

MAX_EXACT_SEEDS = 14
NUM_FLIPS = 10_000
ALPHA = 0.05
"""A family of comparisons holds a false finding in at most this share of studies."""
MAX_SEEDS_TO_REJECT = 500


def sign_patterns(num_seeds: int, rng: np.random.Generator) -> np.ndarray:
    """All patterns of signs [F, S] up to MAX_EXACT_SEEDS, else NUM_FLIPS of them; the first changes nothing."""
    if num_seeds <= MAX_EXACT_SEEDS:
        return np.array(list(product((1, -1), repeat=num_seeds)))
    drawn = rng.choice([1, -1], size=(NUM_FLIPS, num_seeds))
    drawn[0] = 1
    return drawn


def t_of_sign_patterns(differences_CS: np.ndarray, signs_FS: np.ndarray) -> np.ndarray:
    """|t| of each comparison [C, S] under each pattern of signs [F, S]: [F, C].

    NaN cells are left out; a comparison with fewer than two others is NaN.
    """
    finite = np.isfinite(differences_CS)
    values, n = np.where(finite, differences_CS, 0), finite.sum(1)
    squares = (values**2).sum(1)
    share = np.divide((signs_FS @ values.T) ** 2, n * squares, out=np.zeros((len(signs_FS), len(n))), where=squares > 0)
    t = np.sqrt(share * np.maximum(n - 1, 0) / np.maximum(1 - share, 1e-12))
    return np.where(n > 1, t, np.nan)


def sign_flip_p(differences_CS: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two-sided p of each comparison on its own, [C, S] to [C]. The least it can be with n seeds is 2 / 2^n.

    Source: Fisher 1935; R18.
    """
    t = t_of_sign_patterns(differences_CS, sign_patterns(differences_CS.shape[1], rng))
    return np.where(np.isfinite(t[0]), (t >= t[0] * (1 - 1e-9)).mean(0), np.nan)


def romano_wolf(differences_CS: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """p of each comparison, corrected over all of them, [C, S] to [C]; NaN stays NaN and does not count.

    Source: Romano and Wolf 2005.
    """
    t = t_of_sign_patterns(differences_CS, sign_patterns(differences_CS.shape[1], rng))
    adjusted = np.full(len(differences_CS), np.nan)
    order = [c for c in np.argsort(-np.nan_to_num(t[0], nan=-1.0), kind="stable") if np.isfinite(t[0, c])]
    if not order:
        return adjusted
    highest = np.maximum.accumulate(t[:, order[::-1]], axis=1)[:, ::-1]  # the largest of this and all later ones
    p = (highest >= t[0, order] * (1 - 1e-9)).mean(0)
    adjusted[order] = np.maximum.accumulate(p)
    return adjusted


def least_p(num_seeds: int) -> float:
    """The smallest p that a two-sided sign-flip test can give."""
    return 2.0 ** (1 - num_seeds)


def seeds_to_reject(differences_S: np.ndarray, num_comparisons: int) -> int | None:
    """How many seeds would tell this difference [S] from 0 in four of five studies, in a family of this size.

    By Student's t at ALPHA divided by the size (Bonferroni: on the safe side), at the mean and spread observed, and at
    least as many as the flips need. None when more than MAX_SEEDS_TO_REJECT would be needed.
    """
    values = differences_S[np.isfinite(differences_S)]
    n = np.arange(2, MAX_SEEDS_TO_REJECT + 1)
    if len(values) < 2:
        return None
    quantiles = stats.t.ppf(1 - ALPHA / (2 * num_comparisons), n - 1) + stats.t.ppf(POWER, n - 1)
    rejects = (abs(values.mean()) > quantiles * values.std(ddof=1) / np.sqrt(n)) & (2.0 ** (1 - n) <= ALPHA)
    return int(n[rejects.argmax()]) if rejects.any() else None
