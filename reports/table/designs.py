"""The trial table cut into arrays: levels by seeds for a sweep, settings by seeds for Sobol points."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.facts import ParameterFacts
from evenkeel.reports.statistics.curves import cross_fitted_best
from evenkeel.reports.statistics.intervals import Interval, jackknife_error, nan_mean, t_interval
from evenkeel.reports.table.memo import remembered, remembered_of_trials, remembering
from evenkeel.reports.table.seed_grid import Placed, numbered, rows_of, values
from evenkeel.reports.table.trial_table import DIVERGED, DONE, SOBOL, SWEEP, facts_of

ENDED = (DONE, DIVERGED)
"""Trials that ran to an end. Failed ones are missing, censored ones are left out."""


@dataclass(frozen=True)
class Sweep:
    """One hyperparameter of one loss: levels in order, planned ones without trials included; [L, S] on test.

    `scores_LS` is NaN where a trial is missing or diverged; `floored_LS` holds the score of the constant predictor
    where one diverged, `val_LS` the validation scores. `images_LSG` are the scores without each of G groups of test
    images, None where not recorded. `shared` as in t_interval, for differences and for scores alone.
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
    shared: float = 0.0
    shared_alone: float = 0.0

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
        rows = zip(self.differences_LS, self.image_errors_L, strict=True)
        return [t_interval(row, error=error, shared=self.shared) for row, error in rows]

    @property
    def level_scores(self) -> list[Interval]:
        """The mean score at each level."""
        images = self.images_LSG
        errors = np.zeros(len(self.levels)) if images is None else jackknife_error(nan_mean(images, axis=1))
        rows = zip(self.scores_LS, errors, strict=True)
        return [t_interval(row, error=error, shared=self.shared_alone) for row, error in rows]

    @property
    def floor_scored(self) -> np.ndarray:
        """Mean difference from the default at each level, diverged seeds scored as the constant predictor, [L]."""
        return nan_mean(self.floored_LS - self.floored_LS[self.default])

    @cached_property
    def images_LG(self) -> np.ndarray | None:
        """Mean difference from the default without each group of test images."""
        return None if self.images_LSG is None else nan_mean(self.images_LSG - self.images_LSG[self.default], axis=1)

    @cached_property
    def image_errors_L(self) -> np.ndarray:
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
    """The same trials, shown by another metric (winners stay chosen by the study's own); not to be changed."""
    study = facts_of(table)
    return remembering(table, replace(study, metric=metric, chosen_by=study.chosen_by or study.metric))


def losses_of(table: pd.DataFrame) -> list[str]:
    """Labels in the order of the study file."""
    return list(facts_of(table).losses)


@remembered_of_trials
def swept(table: pd.DataFrame) -> list[str]:
    """Hyperparameters that a sweep moved, those shared by most losses first, then by name."""
    pairs = table.loc[table.design == SWEEP, ["loss", "moved"]].dropna().drop_duplicates()
    losses = facts_of(table).losses
    found = Counter(name for loss, name in pairs.itertuples(index=False) if name in losses[loss].space)
    return sorted(found, key=lambda name: (-found[name], name))


@remembered_of_trials
def has_design(table: pd.DataFrame, design: str) -> bool:
    """Whether the study planned trials of this design, or has some."""
    planned = facts_of(table).planned.values()
    return any(counts.get(design) for counts in planned) or bool((table.design == design).any())


@remembered
def sweep_of(table: pd.DataFrame, loss: str, name: str) -> Sweep | None:
    """The sweep of a hyperparameter, or None when no trial moved it."""
    found, column = _cut(table, loss, name), f"test_{facts_of(table).metric}"
    if found is None:
        return None
    done, ended = found.placed.only(found.states == DONE), found.placed.only(np.isin(found.states, ENDED))
    diverged = found.placed.only(found.states == DIVERGED)
    return Sweep(
        loss=loss,
        name=name,
        levels=found.levels,
        default=found.levels.index(facts_of(table).losses[loss].defaults[name]),
        seeds=facts_of(table).seeds,
        scores_LS=done.scores(table, column),
        floored_LS=ended.scores(table, column),
        val_LS=done.scores(table, f"val_{facts_of(table).metric}"),
        diverged_LS=np.isfinite(diverged.grid(np.ones(len(diverged.rows_R)))),
        images_LSG=done.images(table, column),
        shared=facts_of(table).shared,
        shared_alone=facts_of(table).shared_alone,
    )


class _Cut(NamedTuple):
    """The trials of one sweep, whatever the metric, and the state of each."""

    levels: list[Any]
    placed: Placed
    states: np.ndarray


@remembered_of_trials
def _cut(table: pd.DataFrame, loss: str, name: str) -> _Cut | None:
    facts = facts_of(table).losses[loss]
    if name not in facts.space:
        return None
    rows = rows_of(table, loss, SWEEP)
    moved = values(table, "moved")[rows]
    if not (moved == name).any():
        return None
    rows = rows[(moved == name) | pd.isna(moved)]
    shown = values(table, f"hp.{name}")[rows].tolist()
    levels = _ordered([facts.defaults[name], *facts.levels.get(name, ()), *shown], facts.space[name])
    placed = Placed.of(table, rows, numbered(shown, levels), len(levels))
    return _Cut(levels, placed, values(table, "state")[placed.rows_R])


@remembered
def default_scores(table: pd.DataFrame, loss: str, column: str | None = None) -> np.ndarray:
    """Test scores of a loss at its default, by seed [S], from the sweep (or the one Sobol point of a plain loss).

    NaN where a trial is missing or diverged. `column` is another column than the shown metric's.
    """
    return at_default(table, loss).scores(table, column or f"test_{facts_of(table).metric}")[0]


@remembered
def default_images(table: pd.DataFrame, loss: str, column: str | None = None) -> np.ndarray | None:
    """Mean score of a loss at its default without each group of test images, [G]; None where not recorded."""
    images = at_default(table, loss).images(table, column or f"test_{facts_of(table).metric}")
    return None if images is None else nan_mean(images[0], axis=0)


def default_score(table: pd.DataFrame, loss: str, measure: str, part: str = "", split: str = "test") -> Interval:
    """Mean of a measure, or of a part of it, of a loss at its default."""
    column = "_".join(filter(None, (split, measure, part)))
    images = default_images(table, loss, column)
    error = 0.0 if images is None else float(jackknife_error(images))
    return t_interval(default_scores(table, loss, column), error=error, shared=facts_of(table).shared_alone)


@remembered_of_trials
def at_default(table: pd.DataFrame, loss: str) -> Placed:
    """The finished trials of a loss at its default, by seed."""
    designs = (SWEEP,) if facts_of(table).losses[loss].space else (SWEEP, SOBOL)
    rows = rows_of(table, loss, *designs)
    swept_elsewhere = (values(table, "design")[rows] == SWEEP) & ~pd.isna(values(table, "moved")[rows])
    rows = rows[(values(table, "state")[rows] == DONE) & ~swept_elsewhere]
    return Placed.of(table, rows, np.zeros(len(rows), dtype=int), 1)


def _ordered(found: list[Any], parameter: ParameterFacts) -> list[Any]:
    if parameter.options:
        return [option for option in parameter.options if option in found]
    return sorted(set(found))


@remembered
def cloud_of(table: pd.DataFrame, loss: str) -> Cloud | None:
    """The Sobol points of a loss that have at least one score, or None."""
    found, metric = _points(table, loss), facts_of(table).metric
    if found is None:
        return None
    test, val = (found.placed.scores(table, f"{split}_{metric}") for split in ("test", "val"))
    return Cloud(loss, facts_of(table).seeds, test, val, found.settings)


@remembered
def best_of(table: pd.DataFrame) -> float:
    """The best score of the study: over all planned settings of all losses, chosen on validation, cross-fitted."""
    found, metric = _planned(table), facts_of(table).metric
    if found is None:
        return np.nan
    test, val = (found.placed.scores(table, f"{split}_{metric}") for split in ("test", "val"))
    return float(cross_fitted_best(test, val))


class _Settings(NamedTuple):
    """Trials by distinct setting, in the order of their first row, whatever the metric."""

    placed: Placed
    settings: dict[str, np.ndarray]
    """Hyperparameter -> value of each setting, [H]."""


@remembered_of_trials
def _points(table: pd.DataFrame, loss: str) -> _Settings | None:
    return _by_setting(
        table, rows_of(table, loss, SOBOL), [f"hp.{name}" for name in facts_of(table).losses[loss].space]
    )


@remembered_of_trials
def _planned(table: pd.DataFrame) -> _Settings | None:
    rows = np.flatnonzero(table.design.isin((SWEEP, SOBOL)))
    return _by_setting(table, rows, ["loss", *(name for name in table.columns if name.startswith("hp."))])


def _by_setting(table: pd.DataFrame, rows: np.ndarray, names: list[str]) -> _Settings | None:
    rows = rows[np.isin(values(table, "state")[rows], ENDED)]
    if not len(rows):
        return None
    frame = pd.DataFrame({name: values(table, name)[rows] for name in names}, index=rows)
    groups = frame.groupby(names, sort=False, dropna=False).ngroup() if names else pd.Series(0, index=rows)
    numbers, first = np.unique(groups, return_index=True)
    settings = {name.removeprefix("hp."): frame[name].to_numpy()[first] for name in names}
    return _Settings(Placed.of(table, rows, groups.to_numpy(), len(numbers)), settings)
