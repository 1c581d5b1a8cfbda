"""What optional stopping costs: the error of a decision, spent over looks that are fixed beforehand.

Who looks at 6, 9, 13 and 20 seeds and stops once an interval decides is wrong two to three times as often as one look
is. So each look has a smaller error of its own, its nominal level, and all looks together err by what was promised. By
a look with the share t of all information, alpha log(1 + (e - 1) t) is spent (Lan and DeMets 1983; it keeps close to
Pocock 1977). Information is one over the squared error of a mean: more seeds add little of it where train rows and
test images make up most of the error, so there the first look may spend nearly all. Levels are found for normal means;
Student's t at the same levels errs by nearly as much (Jennison and Turnbull 2000, 4.4).
Letters: K looks, A errors, X means, Z points of a density.
"""

from functools import lru_cache

import numpy as np
from scipy import special

Looks = tuple[int, ...]
"""Numbers of seeds at which it is decided who gets more, ascending; empty for a study whose seeds are fixed."""
ERRORS_A = np.geomspace(1e-9, 0.5, 60)
"""One-sided errors between which p values are interpolated, in the logarithm."""
FIXED = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 4, 8, 16])
"""Values of what no seed makes smaller, to which it is rounded down: less of it is on the safe side."""
NODES_Z, WEIGHTS_Z = np.polynomial.legendre.leggauss(64)
FARTHEST = 8.0
"""Standard deviations that a density reaches downwards."""


def level_at(alpha: float, num_seeds: np.ndarray, fixed: np.ndarray, looks: Looks) -> np.ndarray:
    """The nominal level [X] of decisions on so many seeds [X] that may err by `alpha` in all: `alpha` without looks.

    `fixed` [X] is the part of a mean's squared error that no seed makes smaller, in the variance of one seed. A number
    of seeds between two looks has the level of the later one: what is missing there failed.
    """
    num_seeds, fixed = np.broadcast_arrays(num_seeds, fixed)
    levels = np.full(num_seeds.shape, alpha)
    if looks:
        look, floors = _look(num_seeds, looks), _rounded_down(fixed)
        for floor in np.unique(floors):
            levels[floors == floor] = nominal_levels(looks, float(floor), alpha)[look[floors == floor]]
    return levels


def error_at(levels: np.ndarray, num_seeds: np.ndarray, fixed: np.ndarray, looks: Looks) -> np.ndarray:
    """The error [X] whose nominal levels are these [X]: a p value that counts all looks. The inverse of `level_at`."""
    if not looks:
        return levels
    look, floors, logs = _look(num_seeds, looks), _rounded_down(fixed), np.log(np.maximum(levels, 1e-300))
    tables = [np.log([nominal_levels(looks, float(floor), alpha) for alpha in ERRORS_A.tolist()]) for floor in floors]
    logs_of_errors = [
        np.interp(x, table[:, k], np.log(ERRORS_A)) for x, table, k in zip(logs, tables, look, strict=True)
    ]
    return np.exp(logs_of_errors)


def _look(num_seeds: np.ndarray, looks: Looks) -> np.ndarray:
    return np.minimum(np.searchsorted(looks, num_seeds), len(looks) - 1)


def _rounded_down(fixed: np.ndarray) -> np.ndarray:
    return FIXED[np.searchsorted(FIXED, np.nan_to_num(fixed, posinf=FIXED[-1]), side="right") - 1]


@lru_cache(10_000)
def nominal_levels(looks: Looks, fixed: float, alpha: float) -> np.ndarray:
    """One-sided levels [K] of looks at these numbers of seeds that together err by `alpha`, for normal means.

    Source: Armitage, McPherson and Rowe 1969 (the recursion); Lan and DeMets 1983 (the spending).
    """
    shares = (fixed + 1 / looks[-1]) / (fixed + 1 / np.array(looks))
    spent = alpha * np.log1p((np.e - 1) * shares)
    sums_Z, density_Z, levels = np.zeros(1), np.ones(1), []
    for share, step, error in zip(shares, np.sqrt(np.diff(shares, prepend=0)), np.diff(spent, prepend=0), strict=True):
        bound = _bound(sums_Z, density_Z, step, error)
        levels.append(special.ndtr(-bound / np.sqrt(share)))
        sums_Z, density_Z = _go_on(sums_Z, density_Z, step, (-FARTHEST * np.sqrt(share), bound))
    return np.array(levels)


def _bound(sums_Z: np.ndarray, density_Z: np.ndarray, step: float, error: float) -> float:
    """What the next sum exceeds, no bound having been crossed before, in a share `error` of studies."""
    low, high = -FARTHEST, FARTHEST
    for _ in range(50):
        middle = (low + high) / 2
        crossed = density_Z @ special.ndtr((sums_Z - middle) / step)
        low, high = (middle, high) if crossed > error else (low, middle)
    return high


def _go_on(
    sums_Z: np.ndarray, density_Z: np.ndarray, step: float, ends: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Points [Z] of the next sum between the ends, and its density times their weights [Z]."""
    half, middle = (ends[1] - ends[0]) / 2, (ends[1] + ends[0]) / 2
    new_Z = middle + half * NODES_Z
    kernel = np.exp(-(((new_Z[:, None] - sums_Z) / step) ** 2) / 2) / (np.sqrt(2 * np.pi) * step)
    return new_Z, half * WEIGHTS_Z * (kernel @ density_Z)
