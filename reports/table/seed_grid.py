"""Trials placed in a grid of items (levels, settings) by seeds. The place is the same for every metric, so it is found
once. Letters: R trials, N items, S seeds, G groups of test images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evenkeel.reports.table.memo import cached_by_trials
from evenkeel.reports.table.trial_table import IMAGES, facts_of


@dataclass(frozen=True)
class SeedGrid:
    """R trials in a grid of N items by S seeds: their rows in the table, the number of each one's item and seed."""

    rows_R: np.ndarray
    items_R: np.ndarray
    seeds_R: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def place(cls, table: pd.DataFrame, rows_R: np.ndarray, items_R: np.ndarray, num: int) -> "SeedGrid":
        """The grid of some rows [R] of a table. Trials of other seeds than the study's, or of item -1, are left out."""
        seeds = facts_of(table).seeds
        seeds_R = indices_of(column_values(table, "seed")[rows_R].tolist(), seeds)
        placed_R = (seeds_R >= 0) & (items_R >= 0)
        return cls(rows_R[placed_R], items_R[placed_R], seeds_R[placed_R], (num, len(seeds)))

    def only(self, kept_R: np.ndarray) -> "SeedGrid":
        """Some of the trials, by a mask [R]."""
        return SeedGrid(self.rows_R[kept_R], self.items_R[kept_R], self.seeds_R[kept_R], self.shape)

    def fill(self, values: np.ndarray) -> np.ndarray:
        """One value [R] or array [R, G] per trial as [N, S] or [N, S, G]; NaN where there is no trial."""
        grid = np.full((*self.shape, *values.shape[1:]), np.nan)
        grid[self.items_R, self.seeds_R] = values
        return grid

    def mask(self) -> np.ndarray:
        """Where there is a trial, [N, S]."""
        return np.isfinite(self.fill(np.ones(len(self.rows_R))))

    def scores(self, table: pd.DataFrame, column: str) -> np.ndarray:
        """A metric column, [N, S]."""
        return self.fill(column_values(table, column)[self.rows_R])

    def images(self, table: pd.DataFrame, column: str) -> np.ndarray | None:
        """Scores without each group of test images, [N, S, G]; None unless every item that has trials has these."""
        if f"{IMAGES}{column}" not in table:
            return None
        arrays = column_values(table, f"{IMAGES}{column}")[self.rows_R]
        recorded = self.only(np.array([array is not None for array in arrays], dtype=bool))
        if not len(recorded.rows_R) or set(recorded.items_R) != set(self.items_R):
            return None
        return recorded.fill(np.stack([array for array in arrays if array is not None]))


@cached_by_trials
def column_values(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column of the table, [N] by trial: metrics as floats, everything else as objects."""
    return table[column].to_numpy()


@cached_by_trials
def group_numbers(table: pd.DataFrame, *columns: str) -> np.ndarray:
    """The number [N] of each trial's combination of values, in the order of their first trial; missing is a value."""
    if len(columns) == 1:
        return pd.factorize(table[columns[0]], use_na_sentinel=False)[0]
    numbers = np.zeros(len(table), dtype=int)
    for column in columns:
        own = group_numbers(table, column)
        numbers = pd.factorize(numbers * (own.max(initial=0) + 1) + own)[0]
    return numbers


@cached_by_trials
def rows_in_designs(table: pd.DataFrame, loss: str, *designs: str) -> np.ndarray:
    """Numbers [R] of a loss's rows in these designs."""
    return np.flatnonzero((table.loss == loss) & table.design.isin(designs))


def indices_of(items: Sequence[Any], choices: Sequence[Any]) -> np.ndarray:
    """The number of each of R items among the choices, [R]; -1 for one that is none of them."""
    number = {choice: i for i, choice in enumerate(choices)}
    return np.array([number.get(item, -1) for item in items], dtype=int)
