"""The trial table: one row a trial. The only input of every section; its columns are declared here and nowhere else.

`table.attrs["study"]` holds what is known of the study as a whole: name, margin, primary metric, seeds, data facts,
and per loss its hyperparameters with default, symbol, range and scale.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

STATES = ("done", "diverged", "failed", "censored")
DESIGNS = ("sweep", "sobol", "search", "confirm")
METRICS = {
    "f1": "macro F1 at 0.5",
    "f1_tuned": "macro F1 at validation-chosen thresholds",
    "map": "mAP",
    "mauc": "mAUC",
}
GROUPS = ("head", "medium", "tail")
SPLITS = ("val", "test")

IDENTITY = {
    "trial_id": "str",
    "loss": "str",
    "loss_name": "str",
    "design": "str",
    "seed": "int64",
    "group": "Int64",
    "state": "str",
    "wall_s": "float64",
    "epochs_done": "int64",
    "host": "str",
    "note": "str",
    "versions": "str",
}
"""Column -> type. Hyperparameters follow as `hp.<name>` (object), metrics as `<split>_<metric>[_<group>]` (float64)."""


class StudyFacts(dict[str, Any]):
    """What is known of the study. pandas deep-copies `attrs` with every operation; this is never changed, so shared."""

    def __deepcopy__(self, memo: object) -> "StudyFacts":
        return self


def metric_columns() -> list[str]:
    """All metric columns, in order."""
    return [
        f"{split}_{metric}{suffix}"
        for split in SPLITS
        for metric in METRICS
        for suffix in ("", *(f"_{group}" for group in GROUPS))
    ]


def trial_table(rows: Iterable[dict[str, Any]], study: dict[str, Any]) -> pd.DataFrame:
    """The table of `rows`, each with the identity keys, `hyperparameters` and `metrics`; sorted by trial id.

    Raises ValueError for an unknown state or design: such a row would silently be left out of every statistic.
    """
    rows = sorted(rows, key=lambda row: row["trial_id"])
    for row in rows:
        if row["state"] not in STATES or row["design"] not in DESIGNS:
            raise ValueError(f"trial {row['trial_id']}: unknown state {row['state']!r} or design {row['design']!r}")
    columns: dict[str, Any] = {
        name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in IDENTITY.items()
    }
    spaces = {name for loss in study["losses"].values() for name in loss["space"]}
    for name in sorted(spaces.union(*(row["hyperparameters"] for row in rows))):
        columns[f"hp.{name}"] = pd.Series([row["hyperparameters"].get(name) for row in rows], dtype=object)
    for name in metric_columns():
        columns[name] = pd.Series([row["metrics"].get(name) for row in rows], dtype="float64")
    table = pd.DataFrame(columns)
    table.attrs["study"] = StudyFacts(study)
    return table
