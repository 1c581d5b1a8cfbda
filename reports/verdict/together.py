"""What two hyperparameters do together: which settings surely differ from the default, and whether they interact.

Three kinds of sentences, each false on at most 5 % of pages (less at a study that grew, error_of_look):

* a setting surely scores lower or higher than the default: the error is shared out over all settings of all grids;
* the effect of one depends on the other: some interaction, the difference of differences, is surely not 0: shared out
  over all interactions;
* both add up: every interaction of a grid surely lies within the margin (an intersection-union test, Schuirmann 1987):
  shared out over the grids.

Nothing is said of a setting with a diverged seed, and that both add up only where every setting has all its seeds.
Letters as in reports/table/grids.py; K of the A B - 1 settings away from the default, or of the interactions.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.statistics.pooled_noise import Prior, common_noise
from evenkeel.reports.table.grids import Grid, Names, grids_of, paired_hyperparameters
from evenkeel.reports.table.memo import cached_by_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.verdict.family import family_of

DEPENDS, SMALL, ADDS_UP, OPEN = "depends", "depends, within the margin", "adds up", "not decided"
STATUSES = {(True, False): DEPENDS, (True, True): SMALL, (False, True): ADDS_UP, (False, False): OPEN}
"""By whether any interaction is surely not 0, and whether all surely lie within the margin."""
Place = tuple[int, int]
"""Numbers of a level of the first and of the second hyperparameter."""


class Together(NamedTuple):
    """What a page says of one grid; intervals hold for all of their kind on the page together."""

    grid: Grid
    status: str
    largest: Interval
    """The interaction that is largest, of those that are surely not 0 where there are any; NaN where none is known."""
    largest_at: Place
    signs_AB: np.ndarray
    """-1 where a setting surely scores lower than the default, 1 higher, 0 where that is not decided."""
    settings: dict[Place, Interval]
    """The difference of each setting from the default."""


@cached_by_metric
def judge_grids(table: pd.DataFrame) -> dict[tuple[str, Names], Together]:
    """All grids of a page, by loss and pair."""
    grids = [grid for names in paired_hyperparameters(table) for grid in grids_of(table, names)]
    if not grids:
        return {}
    alpha, margin = family_of(table).alpha, facts_of(table).margin
    settings = _decisions([_settings(grid) for grid in grids], alpha / 2)
    interactions = _decisions([_interactions(grid) for grid in grids], alpha / 2)
    return {
        (grid.loss, grid.names): _judge(grid, of_settings, of_interactions, margin, alpha / len(grids))
        for grid, of_settings, of_interactions in zip(grids, settings, interactions, strict=True)
    }


class _Values(NamedTuple):
    """Means of one kind of one grid that are to be decided on: [K, S], what test images add, what diverged, where."""

    values_KS: np.ndarray
    image_errors_K: np.ndarray
    broken_K: np.ndarray
    places: list[Place]
    shared: float


class _Decisions(NamedTuple):
    """The same decided: intervals, each of whose ends errs so that all of the page hold together, and signs [K]."""

    estimates: Estimates
    intervals: list[Interval]
    signs_K: np.ndarray
    places: list[Place]


def _settings(grid: Grid) -> _Values:
    return _values(grid, grid.away, grid.differences_ABS, grid.difference_errors_AB, grid.broken)


def _interactions(grid: Grid) -> _Values:
    i, j = grid.default
    any_of_four = grid.broken | grid.broken[:, [j]] | grid.broken[[i]] | grid.broken[i, j]
    return _values(grid, grid.together, grid.interactions_ABS, grid.interaction_errors_AB, any_of_four)


def _values(grid: Grid, kept: np.ndarray, values: np.ndarray, errors: np.ndarray, broken: np.ndarray) -> _Values:
    places = [(int(i), int(j)) for i, j in np.argwhere(kept)]
    return _Values(values[kept], errors[kept], broken[kept], places, grid.shared)


def _decisions(kind: list[_Values], alpha: float) -> list[_Decisions]:
    """Decide on all means of a kind, with what their noise has in common and an equal share of the error."""
    noise = common_noise(np.concatenate([own.values_KS for own in kind]))
    share = alpha / sum(len(own.places) for own in kind)
    return [_decide(own, noise, share) for own in kind]


def _decide(own: _Values, noise: Prior, alpha: float) -> _Decisions:
    estimates = Estimates.of_values(own.values_KS, own.image_errors_K, shared=own.shared, prior=noise)
    signs_K = (estimates.lows(alpha) > 0).astype(int) - (estimates.highs(alpha) < 0)
    intervals = [estimates.interval(k, alpha) for k in range(len(own.places))]
    return _Decisions(estimates, intervals, np.where(own.broken_K, 0, signs_K), own.places)


def _judge(grid: Grid, settings: _Decisions, interactions: _Decisions, margin: float, alpha: float) -> Together:
    """`alpha` is the one-sided error of the claim that all interactions lie within the margin."""
    estimates, signs_AB = interactions.estimates, np.zeros(grid.away.shape, dtype=int)
    signs_AB[grid.away] = settings.signs_K
    within = (estimates.lows(alpha) > -margin) & (estimates.highs(alpha) < margin)
    adds_up = within.all() and np.isfinite(grid.interactions_ABS[grid.together]).all()
    sizes = np.abs(np.nan_to_num(estimates.means)).tolist()
    k = max(range(len(sizes)), key=lambda k: (interactions.signs_K[k] != 0, sizes[k]))
    return Together(
        grid,
        STATUSES[bool(interactions.signs_K.any()), bool(adds_up)],
        interactions.intervals[k],
        interactions.places[k],
        signs_AB,
        dict(zip(settings.places, settings.intervals, strict=True)),
    )
