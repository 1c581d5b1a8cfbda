"""Which levels of a hyperparameter get more seeds: those that keep its verdict open, while it can still be settled.

More seeds move a mean: over the seeds that are to come it is Student's t about the present mean (the predictive
distribution; Jennison and Turnbull 2000, 10), the interval then as wide as the present noise says. A verdict is given
up when it is likely to stay open with the most seeds that the study allows: giving up claims nothing, so that no
error is made by it. Letters: K levels other than the default.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.intervals import MIN_SEEDS
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.verdict.seeds_needed import still_to_come
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY, Judgement, Standard, estimates_of

LEAST_CHANCE = 0.2
"""A verdict goes on while the chance that the most seeds settle it is at least this."""


class Chances(NamedTuple):
    """That each level [K] would surely lie above minus the margin with the most seeds, or surely below."""

    above_K: np.ndarray
    below_K: np.ndarray


def levels_to_go_on(sweep: Sweep, judged: Judgement, margin: float, standard: Standard) -> list[int]:
    """Numbers of the levels of a sweep that get more seeds; none where its verdict stands, or is given up."""
    if judged.status in (STEADY, SENSITIVE, NOT_JUDGED):
        return []
    estimates, standard = estimates_of(sweep, standard.noise), standard.for_levels(len(sweep.moved), sweep.num_unfilled)
    few_K, above_K = estimates.num_seeds < MIN_SEEDS, estimates.lows(standard.steady) > -margin
    chances = chances_with(sweep.looks[-1], estimates, margin, standard)
    steady = 0.0 if judged.reasons and not few_K.any() else float(np.where(above_K, 1.0, chances.above_K).prod())
    if steady + chances.below_K.max() < LEAST_CHANCE:
        return []
    open_K = ~above_K & ((steady >= LEAST_CHANCE / 2) | (chances.below_K >= LEAST_CHANCE / 2))
    return sweep.moved[few_K | open_K].tolist()


def chances_with(num_seeds: int, estimates: Estimates, margin: float, standard: Standard) -> Chances:
    """What so many seeds would show; certain of a level that has too few for any error."""
    then = estimates.with_seeds(np.array([[num_seeds]]))
    moves = estimates.spreads * np.sqrt(still_to_come(estimates.num_seeds, num_seeds))

    def chance(distances_K: np.ndarray) -> np.ndarray:
        t_K = np.divide(distances_K, moves, out=np.sign(distances_K) * np.inf, where=moves > 0)
        return np.where(estimates.num_seeds < MIN_SEEDS, 1.0, special.stdtr(np.maximum(estimates.degrees, 1), t_K))

    lows = estimates.means - then.half_widths(standard.steady)[0]
    highs = estimates.means + then.half_widths(standard.drop / len(estimates.means))[0]
    return Chances(chance(lows + margin), chance(-margin - highs))
