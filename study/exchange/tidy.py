"""A study as one tidy table, a row a trial, with a dictionary of its columns beside it."""

from pathlib import Path
from typing import Any

import pandas as pd

from evenkeel.reports.table.trial_table import CLASSES, IDENTITY, IMAGES, facts_of, metric_columns

MEANINGS = {
    "trial_id": "hash of all that decides the result, and of the design",
    "loss": "label under which the study shows the loss",
    "loss_name": "the loss behind the label",
    "design": "sweep, pair, sobol, search or confirm: searched settings were chosen by their outcome",
    "seed": "replicate; the same seed is the same data order and split for all losses",
    "group": "seed group of a search",
    "moved": "hyperparameter that a sweep moved, of a pair both (a, b); empty at the default and in other designs",
    "proposal": "number of what a search proposed, in the order asked",
    "state": "done, diverged (a number was not finite), failed or censored",
    "wall_s": "seconds of training",
    "epochs_done": "epochs that were trained",
    "host": "name of the computer",
    "machine": "processors, system and libraries on which numbers may depend",
    "shared": "hash of the features or weights that a trial started from",
    "note": "error text",
    "versions": "of evenkeel and the libraries",
    "loss_path": "how the loss was computed",
}
"""Identity column -> what it holds."""
TRIAL_WORDS = ("trial_id", "loss", "loss_name", "design", "seed", "group", "moved", "proposal", "state", "note")
"""What tools that have no place for it are told of a trial besides its hyperparameters and scores."""


def tidy_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a trial without scores of single classes and groups of test images, which are arrays."""
    tidy = table[[column for column in table.columns if not column.startswith((IMAGES, CLASSES))]].copy()
    tidy.attrs = {}
    return tidy


def data_dictionary(table: pd.DataFrame) -> pd.DataFrame:
    """One row a column: its name, kind (identity, hyperparameter, metric), type, meaning; of a hyperparameter the
    defaults by loss, of a metric which direction is better."""
    study = facts_of(table)
    rows = [(name, "identity", kind, MEANINGS.get(name, ""), "", "") for name, kind in IDENTITY.items()]
    for column in table.columns:
        if column.startswith("hp."):
            name = column.removeprefix("hp.")
            defaults = {label: loss.defaults[name] for label, loss in study.losses.items() if name in loss.defaults}
            symbol = next((loss.space[name].symbol for loss in study.losses.values() if name in loss.space), name)
            rows.append((column, "hyperparameter", "any", symbol, str(defaults), ""))
    measures = {
        column: name for column in metric_columns(study) for name in [_measure_of(column, list(study.measures))]
    }
    for column, name in measures.items():
        rows.append((column, "metric", "float", study.measures[name].title, "", study.measures[name].better))
    return pd.DataFrame(rows, columns=["column", "kind", "type", "meaning", "defaults", "better"])


def _measure_of(column: str, measures: list[str]) -> str:
    """The measure of a column `<split>_<measure>[_<part>]`: the longest name that fits."""
    name = column.partition("_")[2]
    return max((m for m in measures if name == m or name.startswith(f"{m}_")), key=len)


def write_table(table: pd.DataFrame, path: Path) -> list[Path]:
    """Write the tidy table as Parquet (`.parquet`) or else CSV, and its dictionary `<name>.columns.csv` beside it."""
    tidy, columns = tidy_table(table), path.with_suffix(".columns.csv")
    if path.suffix == ".parquet":
        for name in map(str, tidy.columns):
            if name.startswith("hp.") and _is_mixed(tidy[name]):
                tidy[name] = tidy[name].map(_plain_text)
        tidy.to_parquet(path, index=False)
    else:
        tidy.to_csv(path, index=False)
    data_dictionary(table).to_csv(columns, index=False)
    return [path, columns]


def plain_value(value: Any) -> Any:
    """A scalar of numpy as the number or text of Python that JSON, YAML and Optuna take; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def _is_mixed(values: pd.Series) -> bool:
    """Whether a column of hyperparameters holds numbers and words, which one Parquet column cannot."""
    return len({isinstance(value, str) for value in values.dropna()}) > 1


def _plain_text(value: object) -> str | None:
    return None if value is None else str(value)
