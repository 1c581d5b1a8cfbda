"""The trial table: one row a trial. The only input of every section; its columns are declared here and nowhere else.

What is known of the study as a whole hangs on the table: `facts_of(table)`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.facts import StudyFacts

DONE, DIVERGED, FAILED, CENSORED = STATES = ("done", "diverged", "failed", "censored")
IMAGES = "images."
SWEEP, SOBOL, SEARCH, CONFIRM = DESIGNS = ("sweep", "sobol", "search", "confirm")


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial. The scalar fields are the identity columns of the table, in this order.

    `hyperparameters` become columns `hp.<name>` (object), `metrics` columns `<split>_<measure>[_<part>]` (float64);
    None or a missing key is NaN. `images` are metrics without each of G groups of test images: columns
    `images.<split>_<measure>` (arrays [G]) where any row has them. `loss` is the label, `loss_name` the loss behind it.
    `moved` is the hyperparameter that a sweep trial moved, None at the default and in other designs.
    """

    trial_id: str
    loss: str
    loss_name: str
    design: str
    seed: int
    group: int | None = None
    moved: str | None = None
    state: str
    wall_s: float = 0.0
    epochs_done: int = 0
    host: str = ""
    note: str = ""
    versions: str = ""
    loss_path: str = ""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    images: Mapping[str, Sequence[float]] = field(default_factory=dict)


TYPES = {str: "str", int: "int64", float: "float64", int | None: "Int64", str | None: "object"}
IDENTITY = {column.name: TYPES[column.type] for column in fields(TrialRow) if column.type in TYPES}  # type: ignore[index]
"""Column -> type."""


def facts_of(table: pd.DataFrame) -> StudyFacts:
    """What is known of the study besides its trials."""
    return table.attrs["study"]


def with_facts(table: pd.DataFrame, study: StudyFacts) -> pd.DataFrame:
    """The same trials under other facts."""
    other = table.copy(deep=False)
    other.attrs = {"study": study}
    return other


def metric_columns(study: StudyFacts) -> list[str]:
    """All metric columns that the study declares, in order."""
    splits = dict.fromkeys(split for measure in study.measures.values() for split in measure.splits)
    return [
        f"{split}_{name}{suffix}"
        for split in splits
        for name, measure in study.measures.items()
        if split in measure.splits
        for suffix in ("", *(f"_{part}" for part in measure.parts))
    ]


def trial_table(rows: Iterable[TrialRow], study: StudyFacts) -> pd.DataFrame:
    """The table of `rows`, sorted by trial id.

    Raises ValueError for an unknown state, design or metric: it would silently be left out of every statistic.
    """
    declared = metric_columns(study)
    rows = [_checked(row, study, set(declared)) for row in sorted(rows, key=lambda row: row.trial_id)]
    columns: dict[str, Any] = {
        name: pd.Series([getattr(row, name) for row in rows], dtype=kind) for name, kind in IDENTITY.items()
    }
    spaces = {name for loss in study.losses.values() for name in loss.space}
    for name in sorted(spaces.union(*(row.hyperparameters for row in rows))):
        columns[f"hp.{name}"] = pd.Series([_value(row, name, study) for row in rows], dtype=object)
    for name in declared:
        columns[name] = pd.Series([row.metrics.get(name) for row in rows], dtype="float64")
    for name in dict.fromkeys(name for row in rows for name in row.images):
        columns[f"{IMAGES}{name}"] = pd.Series([_array(row.images.get(name)) for row in rows], dtype=object)
    return with_facts(pd.DataFrame(columns), study)


def _array(values: Sequence[float] | None) -> np.ndarray | None:
    return None if values is None else np.asarray(values, dtype=float)


def _checked(row: TrialRow, study: StudyFacts, declared: set[str]) -> TrialRow:
    if row.state not in STATES or row.design not in DESIGNS:
        raise ValueError(f"trial {row.trial_id}: unknown state {row.state!r} or design {row.design!r}")
    if undeclared := sorted(row.metrics.keys() - declared):
        raise ValueError(
            f"trial {row.trial_id}: undeclared metric {', '.join(undeclared)}; a measure declares its columns, and "
            "the study's facts list every measure"
        )
    return replace(row, moved=_moved(row, study)) if row.design == SWEEP and row.moved is None else row


def _moved(row: TrialRow, study: StudyFacts) -> str | None:
    """What a sweep trial moved, where its record does not say: it is at the default, or older than 0.3.0."""
    loss = study.losses.get(row.loss)
    differing = [name for name in loss.space if row.hyperparameters.get(name) != loss.defaults[name]] if loss else []
    if len(differing) > 1:
        raise ValueError(f"trial {row.trial_id}: a sweep trial that moved {', '.join(differing)} at once")
    return differing[0] if differing else None


def _value(row: TrialRow, name: str, study: StudyFacts) -> Any:
    """A hyperparameter of a trial; a setting of the trainable that it leaves out is at the study's own value."""
    loss = study.losses.get(row.loss)
    default = loss.defaults.get(name) if loss and name in loss.space else None
    return row.hyperparameters.get(name, default)
