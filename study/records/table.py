"""From the ledger, or from MLflow alone, to the trial table. Both give the same one."""

from typing import Any

import pandas as pd

from reports.table import trial_table
from study.errors import UserError
from study.records.ledger import Ledger
from study.records.record import TrialRecord
from study.tracking import process as tracking
from study.tracking.tags import versions_text


def table_from_ledger(ledger: Ledger) -> pd.DataFrame:
    """The trial table of a study folder. Raises UserError for a folder without a study."""
    study = ledger.read_study()
    if study is None:
        raise UserError(f"{ledger.storage}: no study here yet; run it first, or give the right --storage")
    return trial_table(map(_row_of_record, ledger.read_all().values()), study["summary"])


def table_from_mlflow(uri: str, name: str) -> pd.DataFrame:
    """The same table from an MLflow experiment alone."""
    try:
        summary, runs = tracking.read_experiment(uri, name)
    except LookupError as error:
        raise UserError(f"{error}; run the study first, or give the right --tracking-uri") from error
    return trial_table(map(_row_of_run, runs), summary)


def _row_of_record(record: TrialRecord) -> dict[str, Any]:
    trial = record.trial
    return {
        "trial_id": record.id,
        "loss": trial.label,
        "loss_name": trial.loss,
        "design": trial.design,
        "seed": trial.seed,
        "group": trial.group,
        "state": record.state,
        "wall_s": record.wall_s,
        "epochs_done": record.epochs_done,
        "host": record.host,
        "note": record.note or "",
        "versions": versions_text(record),
        "hyperparameters": trial.hyperparameters,
        "metrics": record.metrics,
    }


def _row_of_run(run: dict[str, Any]) -> dict[str, Any]:
    tags = run["tags"]
    return {
        **{key: tags[key] for key in ("trial_id", "loss", "loss_name", "design", "state", "host", "note", "versions")},
        "seed": int(tags["seed"]),
        "group": int(tags["group"]) if tags["group"] else None,
        "wall_s": float(tags["wall_s"]),
        "epochs_done": int(tags["epochs_done"]),
        "hyperparameters": run["hyperparameters"],
        "metrics": run["metrics"],
    }
