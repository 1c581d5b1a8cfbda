"""The trial table cut into arrays: levels by seeds for a sweep, settings by seeds for Sobol points."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.table import StudyFacts

COUNTED = ("done", "diverged")
"""Diverged trials count, at the floor score. Failed ones are missing, censored ones are left out."""


@dataclass(frozen=True)
class Sweep:
    """One hyperparameter of one loss: levels in order, scores [L, S] on test, NaN where missing."""

    loss: str
    name: str
    levels: list[Any]
    default: int
    seeds: list[int]
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
    seeds: list[int]
    test_HS: np.ndarray
    val_HS: np.ndarray


def metric_of(table: pd.DataFrame) -> str:
    """The metric that sections show."""
    return table.attrs["study"]["metric"]


def with_metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The same trials, shown by another metric (winners stay chosen by the study's own)."""
    other = table.copy(deep=False)
    study = table.attrs["study"]
    chosen_by = study.get("chosen_by", study["metric"])
    other.attrs["study"] = StudyFacts(study | {"metric": metric, "chosen_by": chosen_by})
    return other


def losses_of(table: pd.DataFrame) -> list[str]:
    """Labels in the order of the study file."""
    return list(table.attrs["study"]["losses"])


def swept(table: pd.DataFrame) -> list[str]:
    """Hyperparameters that a sweep moved, those shared by most losses first, then by name."""
    found = {name: sum(sweep_of(table, loss, name) is not None for loss in losses_of(table)) for name in _all(table)}
    return sorted((name for name, num in found.items() if num), key=lambda name: (-found[name], name))


def _all(table: pd.DataFrame) -> list[str]:
    return sorted({name for loss in table.attrs["study"]["losses"].values() for name in loss["space"]})


def sweep_of(table: pd.DataFrame, loss: str, name: str) -> Sweep | None:
    """The sweep of a hyperparameter, or None when it has fewer than two levels or lacks the default."""
    facts = table.attrs["study"]["losses"][loss]
    if name not in facts["space"]:
        return None
    rows = table[(table.loss == loss) & (table.design == "sweep") & table.state.isin(COUNTED)]
    moved = np.array([_differs(rows[f"hp.{key}"], facts["defaults"][key]) for key in facts["space"]])
    if not moved.size:
        return None
    own = list(facts["space"]).index(name)
    rows = rows[np.delete(moved, own, axis=0).sum(0) == 0]
    levels, default = _ordered(rows[f"hp.{name}"].tolist(), facts["space"][name]), facts["defaults"][name]
    if len(levels) < 2 or default not in levels:
        return None
    seeds = list(table.attrs["study"]["seeds"])
    scores = _grid(rows, f"hp.{name}", levels, seeds, f"test_{metric_of(table)}")
    return Sweep(loss, name, levels, levels.index(default), seeds, scores)


def default_scores(table: pd.DataFrame, loss: str) -> np.ndarray:
    """Test scores of a loss at its default, by seed [S], from the sweep (or the one Sobol point of a plain loss)."""
    facts = table.attrs["study"]["losses"][loss]
    rows = table[(table.loss == loss) & table.design.isin(("sweep", "sobol")) & table.state.isin(COUNTED)]
    moved = [_differs(rows[f"hp.{key}"], facts["defaults"][key]) for key in facts["space"]]
    rows = rows[~np.any(moved, axis=0)] if moved else rows
    by_seed = dict(zip(rows.seed, rows[f"test_{metric_of(table)}"], strict=True))
    return np.array([by_seed.get(seed, np.nan) for seed in table.attrs["study"]["seeds"]], dtype=float)


def _differs(column: pd.Series, default: Any) -> np.ndarray:
    return np.array([value != default for value in column], dtype=bool)


def _ordered(values: list[Any], parameter: dict[str, Any]) -> list[Any]:
    if parameter["kind"] == "choice":
        return [option for option in parameter["options"] if option in values]
    return sorted(set(values))


def _grid(rows: pd.DataFrame, key: str, levels: list[Any], seeds: list[int], column: str) -> np.ndarray:
    scores = np.full((len(levels), len(seeds)), np.nan)
    places = {seed: i for i, seed in enumerate(seeds)}
    for level, seed, score in zip(rows[key], rows.seed, rows[column], strict=True):
        if seed in places:
            scores[levels.index(level), places[seed]] = score
    return scores


def cloud_of(table: pd.DataFrame, loss: str) -> Cloud | None:
    """The Sobol points of a loss that have at least one score, or None."""
    names = [f"hp.{name}" for name in table.attrs["study"]["losses"][loss]["space"]]
    rows = table[(table.loss == loss) & (table.design == "sobol") & table.state.isin(COUNTED)]
    if rows.empty:
        return None
    keys = [tuple(setting) for setting in rows[names].itertuples(index=False)] if names else [()] * len(rows)
    settings = list(dict.fromkeys(keys))
    seeds = list(table.attrs["study"]["seeds"])
    keyed = rows.assign(_key=pd.Series([settings.index(key) for key in keys], index=rows.index))
    test, val = (
        _grid(keyed, "_key", list(range(len(settings))), seeds, f"{split}_{metric_of(table)}")
        for split in ("test", "val")
    )
    return Cloud(loss, seeds, test, val)
