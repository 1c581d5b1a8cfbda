"""The trial table cut into arrays: levels by seeds for a sweep, settings by seeds for Sobol points."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.facts import LossFacts
from evenkeel.reports.statistics.curves import cross_fitted_best
from evenkeel.reports.statistics.intervals import Interval, jackknife_error, nan_mean, t_interval
from evenkeel.reports.statistics.spending import Looks
from evenkeel.reports.table.memo import cached_by_metric, cached_by_trials, with_cache
from evenkeel.reports.table.seed_grid import SeedGrid, column_values, group_numbers, indices_of, rows_in_designs
from evenkeel.reports.table.trial_table import DIVERGED, DONE, FAILED, PAIR, SOBOL, SWEEP, facts_of

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
    sign: int = 1
    """By which all scores here were multiplied, so that higher is better: -1 where the metric is better when lower."""
    failed_LS: np.ndarray | None = None
    """Where a trial ended in an error that stayed; None where none did."""
    looks: Looks = ()
    """As in `StudyFacts`."""
    finer: tuple[Any, ...] = ()
    """Levels that ran because the curve falls beside them, or is open."""
    num_unfilled: int = 0
    """Planned levels that are not due, since it does neither."""

    @cached_property
    def differences_LS(self) -> np.ndarray:
        """F_r(k) - F_r(default), paired by seed, [L, S]."""
        return self.scores_LS - self.scores_LS[self.default]

    @property
    def moved(self) -> np.ndarray:
        """Numbers [L - 1] of the levels other than the default, whose differences are 0 by construction."""
        return np.delete(np.arange(len(self.levels)), self.default)

    @property
    def reference(self) -> list[Interval]:
        """R2: the mean difference from the default at each level, with its interval."""
        rows = zip(self.differences_LS, self.image_errors_L, strict=True)
        return [t_interval(row, error=error, shared=self.shared, looks=self.looks) for row, error in rows]

    @property
    def level_scores(self) -> list[Interval]:
        """The mean score at each level."""
        images = self.images_LSG
        errors = np.zeros(len(self.levels)) if images is None else jackknife_error(nan_mean(images, axis=1))
        rows = zip(self.scores_LS, errors, strict=True)
        return [t_interval(row, error=error, shared=self.shared_alone, looks=self.looks) for row, error in rows]

    @property
    def floor_scored(self) -> np.ndarray:
        """Mean difference from the default at each level, diverged seeds scored as the constant predictor, [L]."""
        return nan_mean(self.floored_LS - self.floored_LS[self.default])

    @cached_property
    def images_LG(self) -> np.ndarray | None:
        """Mean difference from the default without each group of test images, [L, G]; None where not recorded."""
        return None if self.images_LSG is None else nan_mean(self.images_LSG - self.images_LSG[self.default], axis=1)

    @cached_property
    def image_errors_L(self) -> np.ndarray:
        """Standard error that the choice of test images adds to each mean difference, [L]; 0 where not recorded."""
        return np.zeros(len(self.levels)) if self.images_LG is None else jackknife_error(self.images_LG)


@dataclass(frozen=True)
class SobolPoints:
    """Settings of one loss, as a rule its Sobol points: scores [H, S] on test and validation, and name -> value [H].

    Scores of a metric that is better when lower are turned, so that higher is better (`StudyFacts.sign`).
    """

    loss: str
    seeds: tuple[int, ...]
    test_HS: np.ndarray
    val_HS: np.ndarray
    settings: dict[str, np.ndarray]


def with_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same trials, shown by another metric (winners stay chosen by the study's own); not to be changed."""
    study = facts_of(table)
    return with_cache(table, replace(study, metric=metric, chosen_by=study.chosen_by or study.metric))


def each_with_metric(tables: Mapping[str, pd.DataFrame], metric: str) -> dict[str, pd.DataFrame]:
    """The trials of several studies by name, all shown by one metric; not to be changed."""
    return {name: with_metric(table, metric) for name, table in tables.items()}


def losses_of(table: pd.DataFrame) -> list[str]:
    """Labels in the order of the study file."""
    return list(facts_of(table).losses)


@cached_by_trials
def swept_hyperparameters(table: pd.DataFrame) -> list[str]:
    """Hyperparameters that a sweep moved, those shared by most losses first, then by name."""
    pairs = table.loc[table.design == SWEEP, ["loss", "moved"]].dropna().drop_duplicates()
    losses = facts_of(table).losses
    num_losses = Counter(name for loss, name in pairs.itertuples(index=False) if name in losses[loss].space)
    return sorted(num_losses, key=lambda name: (-num_losses[name], name))


@cached_by_trials
def has_design(table: pd.DataFrame, design: str) -> bool:
    """Whether the study planned trials of this design, or has some."""
    planned = facts_of(table).planned.values()
    return any(counts.get(design) for counts in planned) or bool((table.design == design).any())


@cached_by_trials
def is_validated(table: pd.DataFrame) -> bool:
    """Whether there are scores on validation; also where there are no scores at all yet."""
    scored = {split: table[_columns_of(table, split)].notna().any(axis=None) for split in ("val", "test")}
    return bool(scored["val"] or not scored["test"])


def _columns_of(table: pd.DataFrame, split: str) -> list[str]:
    return [column for name in facts_of(table).headlines if (column := f"{split}_{name}") in table]


@cached_by_metric
def sweep_of(table: pd.DataFrame, loss: str, name: str) -> Sweep | None:
    """The sweep of a hyperparameter, or None when no trial moved it."""
    cut, column = _sweep_trials(table, loss, name), f"test_{facts_of(table).metric}"
    if cut is None:
        return None
    done, ended = cut.trials.only(cut.states == DONE), cut.trials.only(np.isin(cut.states, ENDED))
    diverged, failed = (cut.trials.only(cut.states == state) for state in (DIVERGED, FAILED))
    sign, images = facts_of(table).sign, done.images(table, column)
    return Sweep(
        loss=loss,
        name=name,
        levels=cut.levels,
        default=cut.levels.index(facts_of(table).losses[loss].defaults[name]),
        seeds=facts_of(table).seeds,
        scores_LS=sign * done.scores(table, column),
        floored_LS=sign * ended.scores(table, column),
        val_LS=sign * done.scores(table, f"val_{facts_of(table).metric}"),
        diverged_LS=diverged.mask(),
        images_LSG=None if images is None else sign * images,
        shared=facts_of(table).shared,
        shared_alone=facts_of(table).shared_alone,
        sign=sign,
        failed_LS=failed.mask() if len(failed.rows_R) else None,
        looks=facts_of(table).looks,
        **_finer_levels(facts_of(table).losses[loss], name, cut.levels),
    )


def _finer_levels(facts: LossFacts, name: str, levels: list[Any]) -> dict[str, Any]:
    coarse = facts.coarse.get(name, levels)
    finer = tuple(level for level in levels if level not in coarse)
    return {"finer": finer, "num_unfilled": len(facts.unfilled.get(name, ()))}


class _SweepTrials(NamedTuple):
    """The trials of one sweep, whatever the metric, and the state of each."""

    levels: list[Any]
    trials: SeedGrid
    states: np.ndarray


@cached_by_trials
def _sweep_trials(table: pd.DataFrame, loss: str, name: str) -> _SweepTrials | None:
    facts = facts_of(table).losses[loss]
    if name not in facts.space:
        return None
    rows = rows_in_designs(table, loss, SWEEP)
    moved = column_values(table, "moved")[rows]
    if not (moved == name).any():
        return None
    rows = rows[(moved == name) | pd.isna(moved)]
    values = column_values(table, f"hp.{name}")[rows].tolist()
    levels = levels_of(facts, name, values)
    trials = SeedGrid.place(table, rows, indices_of(values, levels), len(levels))
    return _SweepTrials(levels, trials, column_values(table, "state")[trials.rows_R])


@cached_by_metric
def default_scores(table: pd.DataFrame, loss: str, column: str | None = None) -> np.ndarray:
    """Test scores of a loss at its default, by seed [S], from the sweep (or the one Sobol point of a plain loss).

    NaN where a trial is missing or diverged. `column` is another column than the shown metric's.
    """
    return trials_at_default(table, loss).scores(table, column or f"test_{facts_of(table).metric}")[0]


@cached_by_metric
def default_images(table: pd.DataFrame, loss: str, column: str | None = None) -> np.ndarray | None:
    """Mean score of a loss at its default without each group of test images, [G]; None where not recorded."""
    images = trials_at_default(table, loss).images(table, column or f"test_{facts_of(table).metric}")
    return None if images is None else nan_mean(images[0], axis=0)


def default_score(table: pd.DataFrame, loss: str, measure: str, part: str = "", split: str = "test") -> Interval:
    """Mean of a measure, or of a part of it, of a loss at its default."""
    column = "_".join(filter(None, (split, measure, part)))
    images = default_images(table, loss, column)
    error = 0.0 if images is None else float(jackknife_error(images))
    study = facts_of(table)
    return t_interval(default_scores(table, loss, column), error=error, shared=study.shared_alone, looks=study.looks)


@cached_by_trials
def trials_at_default(table: pd.DataFrame, loss: str) -> SeedGrid:
    """The finished trials of a loss at its default, by seed."""
    designs = (SWEEP,) if facts_of(table).losses[loss].space else (SWEEP, SOBOL)
    rows = rows_in_designs(table, loss, *designs)
    swept_elsewhere = (column_values(table, "design")[rows] == SWEEP) & ~pd.isna(column_values(table, "moved")[rows])
    rows = rows[(column_values(table, "state")[rows] == DONE) & ~swept_elsewhere]
    return SeedGrid.place(table, rows, np.zeros(len(rows), dtype=int), 1)


def trials_at_level(table: pd.DataFrame, loss: str, name: str) -> SeedGrid:
    """The finished trials of a sweep, by number of the level and seed. Raises KeyError where nothing was swept."""
    cut = _sweep_trials(table, loss, name)
    if cut is None:
        raise KeyError(f"{loss} {name}")
    return cut.trials.only(cut.states == DONE)


def levels_of(facts: LossFacts, name: str, values: list[Any]) -> list[Any]:
    """The levels of a hyperparameter in order: its default, those that are due, and those that trials have."""
    due = [level for level in facts.levels.get(name, ()) if level not in facts.unfilled.get(name, ())]
    levels, options = [facts.defaults[name], *due, *values], facts.space[name].options
    return [option for option in options if option in levels] if options else sorted(set(levels))


@cached_by_metric
def sobol_points_of(table: pd.DataFrame, loss: str) -> SobolPoints | None:
    """The Sobol points of a loss that have at least one score, or None."""
    return _points(table, loss, SOBOL)


@cached_by_metric
def planned_settings_of(table: pd.DataFrame, loss: str) -> SobolPoints | None:
    """The same of all settings that the study planned: levels of sweeps as well."""
    return _points(table, loss, SWEEP, PAIR, SOBOL)


def _points(table: pd.DataFrame, loss: str, *designs: str) -> SobolPoints | None:
    cut, metric = _settings_of(table, loss, *designs), facts_of(table).metric
    if cut is None:
        return None
    sign = facts_of(table).sign
    test, val = (sign * cut.trials.scores(table, f"{split}_{metric}") for split in ("test", "val"))
    return SobolPoints(loss, facts_of(table).seeds, test, val, cut.settings)


@cached_by_metric
def sobol_images_of(table: pd.DataFrame, loss: str) -> np.ndarray | None:
    """Mean score over all Sobol points of a loss without each group of test images, [G]; None where not recorded."""
    cut = _settings_of(table, loss, SOBOL)
    images = None if cut is None else cut.trials.images(table, f"test_{facts_of(table).metric}")
    return None if images is None else nan_mean(images.reshape(-1, images.shape[-1]), axis=0)


@cached_by_metric
def best_of(table: pd.DataFrame) -> float:
    """The best score of the study, as measured: over all planned settings of all losses, chosen on validation,
    cross-fitted."""
    cut, metric, sign = _planned_settings(table), facts_of(table).metric, facts_of(table).sign
    if cut is None:
        return np.nan
    test, val = (sign * cut.trials.scores(table, f"{split}_{metric}") for split in ("test", "val"))
    return sign * float(cross_fitted_best(test, val))


class _Settings(NamedTuple):
    """Trials by distinct setting, in the order of their first row, whatever the metric."""

    trials: SeedGrid
    settings: dict[str, np.ndarray]
    """Hyperparameter -> value of each setting, [H]."""


@cached_by_trials
def _settings_of(table: pd.DataFrame, loss: str, *designs: str) -> _Settings | None:
    names = [f"hp.{name}" for name in facts_of(table).losses[loss].space]
    return _by_setting(table, rows_in_designs(table, loss, *designs), names)


@cached_by_trials
def _planned_settings(table: pd.DataFrame) -> _Settings | None:
    rows = np.flatnonzero(table.design.isin((SWEEP, PAIR, SOBOL)))
    return _by_setting(table, rows, ["loss", *(name for name in table.columns if name.startswith("hp."))])


def _by_setting(table: pd.DataFrame, rows: np.ndarray, names: list[str]) -> _Settings | None:
    rows = rows[np.isin(column_values(table, "state")[rows], ENDED)]
    if not len(rows):
        return None
    groups = pd.factorize(group_numbers(table, *names)[rows])[0]  # in the order of these rows
    numbers, first = np.unique(groups, return_index=True)
    settings = {name.removeprefix("hp."): column_values(table, name)[rows[first]] for name in names}
    return _Settings(SeedGrid.place(table, rows, groups, len(numbers)), settings)
