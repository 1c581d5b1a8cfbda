"""From the ledger, or from MLflow alone, to the trial table. Both give the same one."""

from typing import Any

import pandas as pd

from reports.facts import StudyFacts
from reports.table import TrialRow, trial_table
from study.errors import UserError
from study.records.facts import read_facts
from study.records.ledger import Ledger
from study.records.record import TrialRecord
from study.tracking.read import read_experiment
from study.tracking.tags import versions_text


def table_from_ledger(ledger: Ledger) -> pd.DataFrame:
    """The trial table of a study folder. Raises UserError for a folder without a study."""
    study = ledger.read_study()
    if study is None:
        raise UserError(f"{ledger.storage}: no study here yet; run it first, or give the right --storage")
    facts = _facts(study["summary"], f"{ledger.storage}/study.json")
    return trial_table(map(_row_of_record, ledger.read_all().values()), facts)


def table_from_mlflow(uri: str, name: str) -> pd.DataFrame:
    """The same table from an MLflow experiment alone. Raises LookupError when there is none."""
    summary, runs = read_experiment(uri, name)
    return trial_table(map(_row_of_run, runs), _facts(summary, f"MLflow experiment {name!r}"))


def _facts(contents: dict[str, Any], where: str) -> StudyFacts:
    try:
        return read_facts(contents)
    except (ValueError, KeyError) as error:
        raise UserError(f"{where}: {error}; was it written by a newer evenkeel?") from error


def _row_of_record(record: TrialRecord) -> TrialRow:
    trial = record.trial
    return TrialRow(
        trial_id=record.id,
        loss=trial.label,
        loss_name=trial.loss,
        design=trial.design,
        seed=trial.seed,
        group=trial.group,
        moved=trial.moved,
        state=record.state,
        wall_s=record.wall_s,
        epochs_done=record.epochs_done,
        host=record.host,
        note=record.note or "",
        versions=versions_text(record),
        loss_path=record.loss_path,
        hyperparameters=trial.setting,
        metrics=record.metrics,
    )


def _row_of_run(run: dict[str, Any]) -> TrialRow:
    tags = run["tags"]
    same = ("trial_id", "loss", "loss_name", "design", "state", "host", "note", "versions")
    return TrialRow(
        **{key: tags[key] for key in same},
        seed=int(tags["seed"]),
        group=int(tags["group"]) if tags["group"] else None,
        moved=tags.get("moved") or None,
        wall_s=float(tags["wall_s"]),
        epochs_done=int(tags["epochs_done"]),
        loss_path=tags.get("loss_path", ""),
        hyperparameters=run["hyperparameters"],
        metrics=run["metrics"],
    )
