"""How many seeds would settle a verdict or a comparison, and what else there would have to be more of.

The means and the noise observed are taken for the truth, of the train rows and test images at hand: more seeds move a
mean by their noise alone, and leave in its error what train rows and images add. Letters: N numbers of seeds, K means.
"""

from dataclasses import replace

import numpy as np
from scipy import special

from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.intervals import MIN_SEEDS, POWER

SEED_COUNTS = np.unique(np.geomspace(MIN_SEEDS, 500, 120).astype(int))
"""Numbers of seeds [N] that are considered: more than 500 are called too many."""


def seeds_needed(estimates: Estimates, margin: float, steady: float, drop: float) -> int | None:
    """The smallest number of seeds that would give "steady" or "sensitive" in four of five continuations of a study.

    `steady` and `drop` are the one-sided errors of the verdict. None when too many would be needed: a mean lies near
    the margin, or the test images or the train rows are too few.
    """
    usable = estimates.num_seeds > 1
    if not usable.any():
        return MIN_SEEDS
    more = estimates.rows(usable).with_seeds(SEED_COUNTS[:, None])
    means, noise = more.means, _noise_of_seeds(more)
    is_steady = (means - noise - more.half_widths(steady) > -margin).all(-1)
    is_sensitive = (means + noise + more.half_widths(drop / len(means)) < -margin).any(-1)
    return _least(is_steady | is_sensitive)


def seeds_to_differ(estimates: Estimates, k: int, alpha: float) -> int | None:
    """The smallest number of seeds that would tell the k-th mean from 0 in four of five continuations of a study."""
    more = estimates.rows(np.array([k])).with_seeds(SEED_COUNTS[:, None])
    return _least((np.abs(more.means) - _noise_of_seeds(more) > more.half_widths(alpha)).all(-1))


def limited_by(estimates: Estimates, margin: float, steady: float, drop: float) -> str:
    """What keeps any number of seeds from settling a verdict: that without which some number would."""
    none = np.zeros_like(estimates.image_errors)
    without = {
        "test images": replace(estimates, image_errors=none),
        "train rows": replace(estimates, shared=0.0),
        "test images and train rows": replace(estimates, image_errors=none, shared=0.0),
    }
    return next((words for words, more in without.items() if seeds_needed(more, margin, steady, drop)), "")


def _least(settled_N: np.ndarray) -> int | None:
    return int(SEED_COUNTS[settled_N.argmax()]) if settled_N.any() else None


def _noise_of_seeds(estimates: Estimates) -> np.ndarray:
    """How far new seeds move each mean in the worse direction in one of five continuations, [N, K]."""
    return special.stdtrit(estimates.degrees, POWER) * estimates.spreads / np.sqrt(estimates.num_seeds)
