"""How the settings of somebody's runs seem to have been chosen, and where they seem to have started from."""

from typing import Any

import pandas as pd

from evenkeel.study.exchange.tidy import plain_value

DESIGN_WORDS = {
    "sweep": "sweep, every run departs from the defaults in one hyperparameter at most",
    "grid": "grid, all combinations of the levels are there, each about as often",
    "adaptive": "adaptive, since nothing says that settings were not chosen by earlier scores; write random if they "
    "were drawn at random. Curves, tolerance and shares need settings that were not chosen by their outcome",
}
EVENLY = 0.8
"""Counts are about equal where the smallest is at least this part of the largest: a search repeats its best."""


def guess_design(rows: pd.DataFrame, settings: list[str], defaults: dict[str, Any]) -> str:
    """`sweep`, `grid` or `adaptive`, of the runs of one method; `defaults` by setting.

    Of a single hyperparameter any runs depart in one: they are a sweep where all its levels were repeated alike.
    """
    own = [name for name in settings if rows[name].notna().any()]
    if not own:
        return "sweep"
    counts = rows.groupby(own, dropna=False, sort=False).size()
    even = counts.min() >= EVENLY * counts.max()
    moved = pd.DataFrame({name: (rows[name].notna() & (rows[name] != defaults.get(name))).astype(int) for name in own})
    if (moved.sum(axis=1) <= 1).all() and (len(own) > 1 or (even and counts.min() > 1)):
        return "sweep"
    num_cells = 1
    for name in own:
        num_cells *= rows[name].nunique()
    return "grid" if len(own) > 1 and len(counts) == num_cells and even else "adaptive"


def guess_default(values: pd.Series) -> tuple[Any, list[Any]]:
    """The most frequent value, which is the default where one hyperparameter at a time is swept, and the others that
    are about as frequent, if settings were repeated at all; (None, []) without values."""
    counts = values.dropna().value_counts()
    if counts.empty:
        return None, []
    top = [plain_value(value) for value in counts.index[counts >= EVENLY * counts.iloc[0]]]
    return top[0], top[1:] if counts.iloc[0] > 1 else []
