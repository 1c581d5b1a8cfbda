"""From the ledger, or from MLflow alone, to the trial table. Both give the same one."""

from collections.abc import Iterator
from itertools import starmap
from sys import intern

import pandas as pd

from evenkeel.reports.table.trial_table import Files, TrialRow, trial_table
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.reader import read_experiment


def table_from_ledger(ledger: Ledger) -> pd.DataFrame:
    """The trial table of a study folder. Raises UserError for a folder without a study."""
    facts = read_facts(ledger.study_record().summary, f"{ledger.storage}/study.json")
    names: dict[str, frozenset[str]] = {}

    def rows() -> Iterator[TrialRow]:
        for record in ledger.records():
            if record.files:
                names[record.id] = frozenset(record.files.values())
            yield row_of(record.id, record)

    return trial_table(rows(), facts, Files(names, ledger.read_file))


def table_from_mlflow(uri: str, name: str, identity: str | None = None) -> pd.DataFrame:
    """The same table from an MLflow experiment alone, known by the study's identity or, without one, by its name.

    Raises LookupError when there is none and ConnectionError when nobody answers.
    """
    contents, records = read_experiment(uri, name, identity)
    return trial_table(starmap(row_of, records.items()), read_facts(contents, f"MLflow experiment {name!r}"))


def row_of(trial_id: str, record: TrialRecord) -> TrialRow:
    """A record as a row of the table; words that many rows share are kept once."""
    trial, versions = record.trial, ", ".join(f"{name} {number}" for name, number in sorted(record.versions.items()))
    return TrialRow(
        trial_id=trial_id,
        loss=intern(trial.label),
        loss_name=intern(trial.loss),
        design=intern(trial.design),
        seed=trial.seed,
        group=trial.group,
        moved=trial.moved,
        proposal=trial.proposal,
        state=intern(record.state),
        wall_s=record.wall_s,
        epochs_done=record.epochs_done,
        host=intern(record.host),
        note=record.note or "",
        versions=intern(versions),
        loss_path=intern(record.loss_path),
        hyperparameters=trial.setting,
        metrics=record.metrics,
        images=record.images,
    )
