"""Two hyperparameters of a loss that move together: trials of a pair, and those of the sweeps of both, as a grid.

Letters: A and B levels of the first and of the second hyperparameter, S seeds, G groups of test images.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from evenkeel.reports.facts import LossFacts
from evenkeel.reports.statistics.intervals import jackknife_error, nan_mean
from evenkeel.reports.table.designs import levels_of, losses_of
from evenkeel.reports.table.memo import cached_by_metric, cached_by_trials
from evenkeel.reports.table.seed_grid import SeedGrid, column_values, indices_of, rows_in_designs
from evenkeel.reports.table.trial_table import DIVERGED, DONE, PAIR, SWEEP, facts_of

Names = tuple[str, str]


@dataclass(frozen=True)
class Grid:
    """A loss over the levels of two hyperparameters, in order, those without trials included.

    `scores_ABS` are test scores, higher is better, NaN where a trial is missing or diverged; the seeds are those that
    every setting is to have. `images_ABSG` are the scores without each group of test images, None where not recorded;
    `shared` as in t_interval.
    """

    loss: str
    names: Names
    levels: tuple[list[Any], list[Any]]
    default: tuple[int, int]
    scores_ABS: np.ndarray
    diverged_ABS: np.ndarray
    images_ABSG: np.ndarray | None
    shared: float

    @cached_property
    def differences_ABS(self) -> np.ndarray:
        """Difference from the default, paired by seed, [A, B, S]."""
        return self.scores_ABS - self.scores_ABS[self.default]

    @cached_property
    def interactions_ABS(self) -> np.ndarray:
        """What both changes together do beyond the sum of what each does alone, paired by seed, [A, B, S]."""
        return self._beyond_sum(self.differences_ABS)

    @property
    def difference_errors_AB(self) -> np.ndarray:
        """Standard error that the choice of test images adds to a mean difference, [A, B]; 0 where not recorded."""
        return self._image_errors(beyond_sum=False)

    @property
    def interaction_errors_AB(self) -> np.ndarray:
        """The same of a mean interaction, [A, B]."""
        return self._image_errors(beyond_sum=True)

    @property
    def away(self) -> np.ndarray:
        """All settings but the default, [A, B]."""
        away = np.ones(self.scores_ABS.shape[:2], dtype=bool)
        away[self.default] = False
        return away

    @property
    def together(self) -> np.ndarray:
        """Where both have left their defaults, [A, B]."""
        together, (i, j) = self.away, self.default
        together[i] = together[:, j] = False
        return together

    @property
    def broken(self) -> np.ndarray:
        """Where a seed diverged, [A, B]."""
        return self.diverged_ABS.sum(-1) > 0

    def _beyond_sum(self, differences: np.ndarray) -> np.ndarray:
        i, j = self.default
        return differences - differences[:, [j]] - differences[[i]]

    def _image_errors(self, *, beyond_sum: bool) -> np.ndarray:
        if self.images_ABSG is None:
            return np.zeros(self.scores_ABS.shape[:2])
        differences = self.images_ABSG - self.images_ABSG[self.default]
        return jackknife_error(nan_mean(self._beyond_sum(differences) if beyond_sum else differences, axis=2))


@cached_by_trials
def paired_hyperparameters(table: pd.DataFrame) -> list[Names]:
    """The pairs that moved together, by name."""
    moved = table.loc[table.design == PAIR, "moved"].dropna().unique()
    return sorted((first, second) for first, _, second in (words.partition(", ") for words in moved))


@cached_by_metric
def grids_of(table: pd.DataFrame, names: Names) -> list[Grid]:
    """The grids of a pair, by loss: of those of which any trial moved both."""
    return [grid for loss in losses_of(table) if (grid := _grid(table, loss, names))]


def _grid(table: pd.DataFrame, loss: str, names: Names) -> Grid | None:
    facts, study = facts_of(table).losses[loss], facts_of(table)
    rows, words = rows_in_designs(table, loss, SWEEP, PAIR), ", ".join(names)
    moved = column_values(table, "moved")[rows]
    if words not in moved or not facts.space.keys() >= set(names):
        return None
    rows = rows[pd.isna(moved) | np.isin(moved.astype(str), [words, *names])]
    levels, trials = _placed(table, rows, facts, names)
    states, column = column_values(table, "state")[trials.rows_R], f"test_{study.metric}"
    done, diverged = trials.only(states == DONE), trials.only(states == DIVERGED)
    first = study.num_first_seeds
    shape = len(levels[0]), len(levels[1]), first
    images = done.images(table, column)
    return Grid(
        loss=loss,
        names=names,
        levels=levels,
        default=(levels[0].index(facts.defaults[names[0]]), levels[1].index(facts.defaults[names[1]])),
        scores_ABS=study.sign * done.scores(table, column)[:, :first].reshape(shape),
        diverged_ABS=diverged.mask()[:, :first].reshape(shape),
        images_ABSG=None if images is None else study.sign * images[:, :first].reshape(*shape, -1),
        shared=study.shared,
    )


def _placed(
    table: pd.DataFrame, rows_R: np.ndarray, facts: LossFacts, names: Names
) -> tuple[tuple[list[Any], list[Any]], SeedGrid]:
    """The levels of both, and the trials by setting (of the second hyperparameter within the first) and seed."""
    first, second = (column_values(table, f"hp.{name}")[rows_R].tolist() for name in names)
    levels = _grid_levels(facts, names[0], first), _grid_levels(facts, names[1], second)
    first_R, second_R = indices_of(first, levels[0]), indices_of(second, levels[1])
    items_R = np.where((first_R < 0) | (second_R < 0), -1, first_R * len(levels[1]) + second_R)
    return levels, SeedGrid.place(table, rows_R, items_R, len(levels[0]) * len(levels[1]))


def _grid_levels(facts: LossFacts, name: str, values: list[Any]) -> list[Any]:
    """Pairs move over the levels that run first, whatever levels a sweep gets besides."""
    levels = levels_of(facts, name, values)
    return [level for level in levels if level in facts.coarse.get(name, levels)]
