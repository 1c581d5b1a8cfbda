"""The trial table cut into arrays: levels by seeds for a sweep, settings by seeds for Sobol points."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from reports.curves import cross_fitted_best
from reports.facts import ParameterFacts, StudyFacts
from reports.statistics import Interval, jackknife_error, nan_mean, t_interval
from reports.table import DIVERGED, DONE, IMAGES, SOBOL, SWEEP, facts_of, with_facts

ENDED = (DONE, DIVERGED)
"""Trials that ran to an end. Failed ones are missing, censored ones are left out."""


@dataclass(frozen=True)
class Sweep:
    """One hyperparameter of one loss: levels in order, planned ones without trials included; [L, S] on test.

    `scores_LS` is NaN where a trial is missing or diverged; `floored_LS` holds the score of the constant predictor
    where one diverged, `val_LS` the validation scores. `images_LSG` are the scores without each of G groups of test
    images, None where not recorded. `resampled`: each seed has its own bootstrap of the train rows.
    """

    loss: str
    name: str
    levels: list[Any]
    default: int
    seeds: tuple[int, ...]
    scores_LS: np.ndarray
    floored_LS: np.ndarray
    val_LS: np.ndarray
    diverged_LS: np.ndarray
    images_LSG: np.ndarray | None = None
    resampled: bool = False

    @cached_property
    def differences_LS(self) -> np.ndarray:
        """F_r(k) - F_r(default), paired by seed."""
        return self.scores_LS - self.scores_LS[self.default]

    @property
    def moved(self) -> np.ndarray:
        """Numbers of the levels other than the default, whose differences are 0 by construction."""
        return np.delete(np.arange(len(self.levels)), self.default)

    @property
    def reference(self) -> list[Interval]:
        """R2: the mean difference from the default at each level, with its interval."""
        rows = zip(self.differences_LS, self.errors_L, strict=True)
        return [t_interval(row, error=error, resampled=self.resampled) for row, error in rows]

    @cached_property
    def images_LG(self) -> np.ndarray | None:
        """Mean difference from the default without each group of test images."""
        return None if self.images_LSG is None else nan_mean(self.images_LSG - self.images_LSG[self.default], axis=1)

    @cached_property
    def errors_L(self) -> np.ndarray:
        """Standard error that the choice of test images adds to each mean difference; 0 where not recorded."""
        return np.zeros(len(self.levels)) if self.images_LG is None else jackknife_error(self.images_LG)


@dataclass(frozen=True)
class Cloud:
    """The Sobol points of one loss: scores [H, S] on test and validation, and the settings, name -> [H]."""

    loss: str
    seeds: tuple[int, ...]
    test_HS: np.ndarray
    val_HS: np.ndarray
    settings: dict[str, np.ndarray]


def with_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same trials, shown by another metric (winners stay chosen by the study's own)."""
    study = facts_of(table)
    return with_facts(table, replace(study, metric=metric, chosen_by=study.chosen_by or study.metric))


def losses_of(table: pd.DataFrame) -> list[str]:
    """Labels in the order of the study file."""
    return list(facts_of(table).losses)


def swept(table: pd.DataFrame) -> list[str]:
    """Hyperparameters that a sweep moved, those shared by most losses first, then by name."""
    pairs = table.loc[table.design == SWEEP, ["loss", "moved"]].dropna().drop_duplicates()
    losses = facts_of(table).losses
    found = Counter(name for loss, name in pairs.itertuples(index=False) if name in losses[loss].space)
    return sorted(found, key=lambda name: (-found[name], name))


def has_design(table: pd.DataFrame, design: str) -> bool:
    """Whether the study planned trials of this design, or has some."""
    planned = facts_of(table).planned.values()
    return any(counts.get(design) for counts in planned) or bool((table.design == design).any())


def sweep_of(table: pd.DataFrame, loss: str, name: str) -> Sweep | None:
    """The sweep of a hyperparameter, or None when no trial moved it."""
    study = facts_of(table)
    facts = study.losses[loss]
    if name not in facts.space:
        return None
    shown = (f"test_{study.metric}", f"val_{study.metric}", f"{IMAGES}test_{study.metric}", f"hp.{name}")
    needed = [column for column in ("moved", "state", "seed", *shown) if column in table]
    rows = table.loc[(table.loss == loss) & (table.design == SWEEP), needed]
    if not (rows.moved == name).any():
        return None
    rows = rows[rows.moved.isna() | (rows.moved == name)]
    default = facts.defaults[name]
    levels = _ordered([default, *facts.levels.get(name, ()), *rows[f"hp.{name}"]], facts.space[name])
    done, ended = rows[rows.state == DONE], rows[rows.state.isin(ENDED)]
    key, column = f"hp.{name}", f"test_{study.metric}"
    diverged = rows[rows.state == DIVERGED].assign(_one=1.0)
    return Sweep(
        loss=loss,
        name=name,
        levels=levels,
        default=levels.index(default),
        seeds=study.seeds,
        scores_LS=_grid(done, key, levels, study.seeds, column),
        floored_LS=_grid(ended, key, levels, study.seeds, column),
        val_LS=_grid(done, key, levels, study.seeds, f"val_{study.metric}"),
        diverged_LS=np.isfinite(_grid(diverged, key, levels, study.seeds, "_one")),
        images_LSG=_image_grid(done, key, levels, study.seeds, column),
        resampled=study.resampled,
    )


def default_scores(table: pd.DataFrame, loss: str, column: str | None = None) -> np.ndarray:
    """Test scores of a loss at its default, by seed [S], from the sweep (or the one Sobol point of a plain loss).

    NaN where a trial is missing or diverged. `column` is another column than the shown metric's.
    """
    study = facts_of(table)
    return _grid(_at_default(table, loss), "loss", [loss], study.seeds, column or f"test_{study.metric}")[0]


def default_images(table: pd.DataFrame, loss: str) -> np.ndarray | None:
    """Mean score of a loss at its default without each group of test images, [G]; None where not recorded."""
    study = facts_of(table)
    images = _image_grid(_at_default(table, loss), "loss", [loss], study.seeds, f"test_{study.metric}")
    return None if images is None else nan_mean(images[0], axis=0)


def _at_default(table: pd.DataFrame, loss: str) -> pd.DataFrame:
    rows = table[(table.loss == loss) & (table.state == DONE)]
    at_default = (rows.design == SWEEP) & rows.moved.isna()
    return rows[at_default if facts_of(table).losses[loss].space else at_default | (rows.design == SOBOL)]


def _ordered(values: list[Any], parameter: ParameterFacts) -> list[Any]:
    if parameter.options:
        return [option for option in parameter.options if option in values]
    return sorted(set(values))


def _grid(rows: pd.DataFrame, key: str, levels: list[Any], seeds: tuple[int, ...], column: str) -> np.ndarray:
    """`column` by level and seed, [L, S]; NaN where there is no row."""
    return _placed(rows[column].to_numpy(dtype=float), rows, key, levels, seeds)


def _placed(values: np.ndarray, rows: pd.DataFrame, key: str, levels: list[Any], seeds: tuple[int, ...]) -> np.ndarray:
    """One value [R] or array [R, G] a row, by level and seed: [L, S] or [L, S, G]."""
    grid = np.full((len(levels), len(seeds), *values.shape[1:]), np.nan)
    at = rows[key].map({level: i for i, level in enumerate(levels)}).to_numpy(dtype=float)
    place = rows.seed.map({seed: i for i, seed in enumerate(seeds)}).to_numpy(dtype=float)
    known = np.isfinite(at) & np.isfinite(place)
    grid[at[known].astype(int), place[known].astype(int)] = values[known]
    return grid


def _image_grid(
    rows: pd.DataFrame, key: str, levels: list[Any], seeds: tuple[int, ...], column: str
) -> np.ndarray | None:
    """Scores without each group of test images, [L, S, G]; None unless every level that has scores has these too."""
    if f"{IMAGES}{column}" not in rows:
        return None
    known = rows[rows[f"{IMAGES}{column}"].notna()]
    if known.empty or set(known[key]) != set(rows[key]):
        return None
    return _placed(np.stack(known[f"{IMAGES}{column}"].tolist()), known, key, levels, seeds)


def _by_setting(rows: pd.DataFrame, names: list[str], study: StudyFacts) -> list[np.ndarray]:
    """Test and validation scores of each distinct setting, [H, S]; settings in the order of their first row."""
    number = rows.groupby(names, sort=False, dropna=False).ngroup() if names else pd.Series(0, index=rows.index)
    numbered, settings = rows.assign(_setting=number), list(range(int(number.max()) + 1))
    columns = [f"{split}_{study.metric}" for split in ("test", "val")]
    return [_grid(numbered, "_setting", settings, study.seeds, column) for column in columns]


def cloud_of(table: pd.DataFrame, loss: str) -> Cloud | None:
    """The Sobol points of a loss that have at least one score, or None."""
    study = facts_of(table)
    rows = table[(table.loss == loss) & (table.design == SOBOL) & table.state.isin(ENDED)]
    if rows.empty:
        return None
    names = list(study.losses[loss].space)
    keys = [f"hp.{name}" for name in names]
    settings = rows[keys].drop_duplicates() if keys else rows[keys].head(1)
    values = {name: settings[key].to_numpy() for name, key in zip(names, keys, strict=True)}
    test, val = _by_setting(rows, keys, study)
    return Cloud(loss, study.seeds, test, val, values)


def best_of(table: pd.DataFrame) -> float:
    """The best score of the study: over all planned settings of all losses, chosen on validation, cross-fitted."""
    rows = table[table.design.isin((SWEEP, SOBOL)) & table.state.isin(ENDED)]
    if rows.empty:
        return np.nan
    names = ["loss", *(name for name in table.columns if name.startswith("hp."))]
    return float(cross_fitted_best(*_by_setting(rows, names, facts_of(table))))
