"""The trial table cut into arrays: levels by seeds for a sweep, settings by seeds for Sobol points."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.facts import ParameterFacts
from reports.table import DIVERGED, DONE, SOBOL, SWEEP, facts_of, with_facts

COUNTED = (DONE, DIVERGED)
"""Diverged trials count, at the floor score. Failed ones are missing, censored ones are left out."""


@dataclass(frozen=True)
class Sweep:
    """One hyperparameter of one loss: levels in order, scores [L, S] on test, NaN where missing."""

    loss: str
    name: str
    levels: list[Any]
    default: int
    seeds: tuple[int, ...]
    scores_LS: np.ndarray

    @property
    def differences_LS(self) -> np.ndarray:
        """F_r(k) - F_r(default), paired by seed."""
        return self.scores_LS - self.scores_LS[self.default]

    @property
    def moved_LS(self) -> np.ndarray:
        """The differences without the row of the default, which is 0 by construction."""
        return np.delete(self.differences_LS, self.default, axis=0)


@dataclass(frozen=True)
class Cloud:
    """The Sobol points of one loss: scores [H, S] on test and validation."""

    loss: str
    seeds: tuple[int, ...]
    test_HS: np.ndarray
    val_HS: np.ndarray


def with_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same trials, shown by another metric (winners stay chosen by the study's own)."""
    study = facts_of(table)
    return with_facts(table, replace(study, metric=metric, chosen_by=study.chosen_by or study.metric))


def losses_of(table: pd.DataFrame) -> list[str]:
    """Labels in the order of the study file."""
    return list(facts_of(table).losses)


def swept(table: pd.DataFrame) -> list[str]:
    """Hyperparameters that a sweep moved, those shared by most losses first, then by name."""
    every = {name for loss in facts_of(table).losses.values() for name in loss.space}
    found = {name: sum(sweep_of(table, loss, name) is not None for loss in losses_of(table)) for name in every}
    return sorted((name for name, num in found.items() if num), key=lambda name: (-found[name], name))


def has_design(table: pd.DataFrame, design: str) -> bool:
    """Whether the study planned trials of this design, or has some."""
    planned = facts_of(table).planned.values()
    return any(counts.get(design) for counts in planned) or bool((table.design == design).any())


def sweep_of(table: pd.DataFrame, loss: str, name: str) -> Sweep | None:
    """The sweep of a hyperparameter, or None when it has fewer than two levels or lacks the default."""
    study = facts_of(table)
    facts = study.losses[loss]
    if name not in facts.space:
        return None
    rows = table[(table.loss == loss) & (table.design == SWEEP) & table.state.isin(COUNTED)]
    rows = rows[rows.moved.isna() | (rows.moved == name)]
    levels, default = _ordered(rows[f"hp.{name}"].tolist(), facts.space[name]), facts.defaults[name]
    if len(levels) < 2 or default not in levels:
        return None
    scores = _grid(rows, f"hp.{name}", levels, study.seeds, f"test_{study.metric}")
    return Sweep(loss, name, levels, levels.index(default), study.seeds, scores)


def default_scores(table: pd.DataFrame, loss: str, column: str | None = None) -> np.ndarray:
    """Test scores of a loss at its default, by seed [S], from the sweep (or the one Sobol point of a plain loss).

    `column` is another column than the shown metric's.
    """
    study = facts_of(table)
    facts = study.losses[loss]
    rows = table[(table.loss == loss) & table.state.isin(COUNTED)]
    at_default = (rows.design == SWEEP) & rows.moved.isna()
    rows = rows[at_default if facts.space else at_default | (rows.design == SOBOL)]
    by_seed = dict(zip(rows.seed, rows[column or f"test_{study.metric}"], strict=True))
    return np.array([by_seed.get(seed, np.nan) for seed in study.seeds], dtype=float)


def _ordered(values: list[Any], parameter: ParameterFacts) -> list[Any]:
    if parameter.options:
        return [option for option in parameter.options if option in values]
    return sorted(set(values))


def _grid(rows: pd.DataFrame, key: str, levels: list[Any], seeds: tuple[int, ...], column: str) -> np.ndarray:
    scores = np.full((len(levels), len(seeds)), np.nan)
    places = {seed: i for i, seed in enumerate(seeds)}
    for level, seed, score in zip(rows[key], rows.seed, rows[column], strict=True):
        if seed in places:
            scores[levels.index(level), places[seed]] = score
    return scores


def cloud_of(table: pd.DataFrame, loss: str) -> Cloud | None:
    """The Sobol points of a loss that have at least one score, or None."""
    study = facts_of(table)
    names = [f"hp.{name}" for name in study.losses[loss].space]
    rows = table[(table.loss == loss) & (table.design == SOBOL) & table.state.isin(COUNTED)]
    if rows.empty:
        return None
    keys = [tuple(setting) for setting in rows[names].itertuples(index=False)] if names else [()] * len(rows)
    settings = list(dict.fromkeys(keys))
    keyed = rows.assign(_key=pd.Series([settings.index(key) for key in keys], index=rows.index))
    test, val = (
        _grid(keyed, "_key", list(range(len(settings))), study.seeds, f"{split}_{study.metric}")
        for split in ("test", "val")
    )
    return Cloud(loss, study.seeds, test, val)
