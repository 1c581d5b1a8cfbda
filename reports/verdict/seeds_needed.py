"""How many seeds would settle a verdict or a comparison, and what else there would have to be more of.

Of the train rows and test images at hand: continuations of a study are drawn from the predictive distribution of what
seeds to come would show, mean and noise (Jennison and Turnbull 2000, 10; Gelman and others 2013, 3.2); its error keeps
what train rows and images add. Letters: D drawn continuations, N numbers of seeds, K means.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.intervals import MIN_SEEDS, POWER

SEED_COUNTS = np.unique(np.geomspace(MIN_SEEDS, 500, 120).astype(int))
"""Numbers of seeds [N] that are considered: more than 500 are called too many."""
NUM_CONTINUATIONS = 200
LEAD_POWER = 0.9
"""For a comparison that is named because it is the largest of several, and therefore smaller than it looks."""


def seeds_needed(estimates: Estimates, margin: float, steady: float, drop: float) -> int | None:
    """The smallest number of seeds that would give "steady" or "sensitive" in four of five continuations of a study.

    `steady` and `drop` are the one-sided errors of the verdict then. None when too many would be needed: a mean lies
    near the margin, or the test images or the train rows are too few.
    """
    usable = estimates.num_seeds > 1
    if not usable.any():
        return MIN_SEEDS
    more = _continued(estimates.rows(usable))
    is_steady = (more.means - more.half_widths(steady) > -margin).all(-1)
    is_sensitive = (more.means + more.half_widths(drop / usable.sum()) < -margin).any(-1)
    return _least(is_steady | is_sensitive)


def seeds_to_differ(estimates: Estimates, k: int, alpha: float) -> int | None:
    """The smallest number of seeds that would tell the k-th mean from 0 in nine of ten continuations of a study."""
    more = _continued(estimates.rows(np.array([k])))
    return _least((np.abs(more.means) > more.half_widths(alpha)).all(-1), LEAD_POWER)


def limited_by(estimates: Estimates, margin: float, steady: float, drop: float) -> str:
    """What keeps any number of seeds from settling a verdict: that without which some number would."""
    none = np.zeros_like(estimates.image_errors)
    without = {
        "test images": replace(estimates, image_errors=none),
        "train rows": replace(estimates, shared=0.0),
        "test images and train rows": replace(estimates, image_errors=none, shared=0.0),
    }
    return next((words for words, more in without.items() if seeds_needed(more, margin, steady, drop)), "")


class Continued(NamedTuple):
    """Drawn continuations of a study with each number of seeds."""

    now: Estimates
    means: np.ndarray
    """[D, N, K]"""
    noise_ratios: np.ndarray
    """The standard deviation of a seed then, in that of now [D, N, K]."""

    def half_widths(self, alpha: float) -> np.ndarray:
        """How far a limit of one-sided error `alpha` then lies from each mean, [D, N, K]."""
        then = self.now.with_seeds(SEED_COUNTS[:, None])
        errors = np.hypot(then.seed_errors * self.noise_ratios, then.image_errors)
        wider = np.divide(errors, then.errors, out=np.ones_like(errors), where=then.errors > 0)
        return then.half_widths(alpha) * wider


def _continued(now: Estimates) -> Continued:
    rng, counts = np.random.default_rng(0), SEED_COUNTS[:, None]
    z, z_noise = rng.normal(size=(2, NUM_CONTINUATIONS, 1, len(now.means)))
    variances = now.degrees / rng.chisquare(now.degrees, (NUM_CONTINUATIONS, 1, len(now.means)))
    moves = np.sqrt(variances * still_to_come(now.num_seeds, counts)) * z
    new = np.maximum(counts - now.num_seeds, 0)
    noise = (now.degrees + variances * _chi_square(new, z_noise)) / (now.degrees + new)
    return Continued(now, now.means + now.spreads * moves, np.sqrt(noise))


def still_to_come(now: np.ndarray, then: np.ndarray | int) -> np.ndarray:
    """How far means over `then` seeds vary about those over the first `now`, in one seed's variance, [N, K]."""
    return np.maximum(1 / np.maximum(now, 1) - 1 / then, 0)


def _chi_square(degrees: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Chi-square of a standard normal; 0 where there are no degrees. Source: Wilson and Hilferty 1931."""
    ninth = 2 / 9 / np.maximum(degrees, 1)
    return degrees * np.maximum(1 - ninth + z * np.sqrt(ninth), 0) ** 3


def _least(settled_DN: np.ndarray, power: float = POWER) -> int | None:
    often_N = settled_DN.mean(0) >= power
    return int(SEED_COUNTS[often_N.argmax()]) if often_N.any() else None
