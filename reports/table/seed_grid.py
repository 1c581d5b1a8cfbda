"""Trials placed in a grid of things by seeds. Where one stands is the same for every metric, so it is found once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evenkeel.reports.table.memo import remembered_of_trials
from evenkeel.reports.table.trial_table import IMAGES, facts_of


@dataclass(frozen=True)
class Placed:
    """R trials in a grid of N things by S seeds: their rows in the table, the number of each thing and seed."""

    rows_R: np.ndarray
    things_R: np.ndarray
    seeds_R: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, table: pd.DataFrame, rows_R: np.ndarray, things_R: np.ndarray, num: int) -> "Placed":
        """Trials of other seeds than the study's, or of no thing (number -1), are left out."""
        seeds = facts_of(table).seeds
        numbers_R = numbered(values(table, "seed")[rows_R].tolist(), seeds)
        known = (numbers_R >= 0) & (things_R >= 0)
        return cls(rows_R[known], things_R[known], numbers_R[known], (num, len(seeds)))

    def only(self, kept_R: np.ndarray) -> "Placed":
        """Some of the trials, by a mask."""
        return Placed(self.rows_R[kept_R], self.things_R[kept_R], self.seeds_R[kept_R], self.shape)

    def grid(self, of_trials: np.ndarray) -> np.ndarray:
        """One value [R] or array [R, G] a trial as [N, S] or [N, S, G]; NaN where there is no trial."""
        grid = np.full((*self.shape, *of_trials.shape[1:]), np.nan)
        grid[self.things_R, self.seeds_R] = of_trials
        return grid

    def scores(self, table: pd.DataFrame, column: str) -> np.ndarray:
        """A metric column, [N, S]."""
        return self.grid(values(table, column)[self.rows_R])

    def images(self, table: pd.DataFrame, column: str) -> np.ndarray | None:
        """Scores without each group of test images, [N, S, G]; None unless every thing that has trials has these."""
        if f"{IMAGES}{column}" not in table:
            return None
        found = values(table, f"{IMAGES}{column}")[self.rows_R]
        known = self.only(np.array([one is not None for one in found], dtype=bool))
        if not len(known.rows_R) or set(known.things_R) != set(self.things_R):
            return None
        return known.grid(np.stack([one for one in found if one is not None]))


@remembered_of_trials
def values(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column of the table: metrics as floats, everything else as objects."""
    return table[column].to_numpy()


@remembered_of_trials
def rows_of(table: pd.DataFrame, loss: str, *designs: str) -> np.ndarray:
    """Numbers of a loss's rows in these designs."""
    return np.flatnonzero((table.loss == loss) & table.design.isin(designs))


def numbered(items: Sequence[Any], things: Sequence[Any]) -> np.ndarray:
    """The number of each item among the things, -1 where it is none of them."""
    number = {thing: i for i, thing in enumerate(things)}
    return np.array([number.get(item, -1) for item in items], dtype=int)
