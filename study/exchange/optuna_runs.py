"""The studies of an Optuna storage as runs: sqlite, or a journal file."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from evenkeel.study.errors import UserError
from evenkeel.study.exchange.foreign_runs import ForeignRuns

STATE_OF_OPTUNA = {TrialState.COMPLETE: "done", TrialState.FAIL: "failed"}
"""All others did not end: `censored`."""
JOURNALS = (".log", ".journal")


def read_optuna(path: Path) -> ForeignRuns:
    """All studies of a storage; the study's name is the method, parameters are settings, values and numeric user
    attributes are scores. Raises UserError for a file that is no storage, or has several objectives."""
    storage = _open(path)
    rows: list[dict[str, Any]] = []
    settings: dict[str, None] = {}
    better: dict[str, str] = {}
    for study in optuna.get_all_study_names(storage):
        loaded = optuna.load_study(study_name=study, storage=storage)
        if len(loaded.directions) > 1:
            raise UserError(f"--runs {path}: {study!r} has {len(loaded.directions)} objectives; one can be judged")
        value = str(loaded.user_attrs.get("value", "value"))
        better[value] = "lower" if loaded.directions[0].name == "MINIMIZE" else "higher"
        for trial in loaded.get_trials(deepcopy=False):
            rows.append(_row(trial, study, value))
            settings |= dict.fromkeys(trial.params)
    if not rows:
        raise UserError(f"--runs {path}: the storage holds no trials")
    states = [row.pop("state") for row in rows]
    if len(better) > 1:
        raise UserError(f"--runs {path}: its studies have other objectives ({', '.join(better)}); give one by one")
    return ForeignRuns(path.stem, pd.DataFrame(rows), states, tuple(settings), tuple(better), better)


def _open(path: Path) -> Any:
    """The storage. Raises UserError; a database of something else is left as it is (Optuna would add its tables)."""
    if path.suffix not in JOURNALS and (missing := {"studies", "trials"} - _tables(path)):
        hint = "an MLflow database is read as mlflow:NAME with --tracking-uri"
        raise UserError(f"--runs {path}: no Optuna storage, it has no table {', '.join(sorted(missing))}; {hint}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if path.suffix in JOURNALS:
            return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        return optuna.storages.RDBStorage(f"sqlite:///{path}")
    except Exception as error:  # SQLAlchemy, alembic and Optuna have errors of their own
        raise UserError(f"--runs {path}: no Optuna storage ({str(error).splitlines()[0]})") from error


def _tables(path: Path) -> set[str]:
    """The tables of an sqlite file, opened for reading alone; none of a file that is no database."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError:
        return set()


def _row(trial: optuna.trial.FrozenTrial, study: str, objective: str) -> dict[str, Any]:
    attributes = {
        name: attribute for name, attribute in trial.user_attrs.items() if not isinstance(attribute, list | dict)
    }
    diverged = (
        attributes.get("state") == "diverged"
    )  # as evenkeel's own export says of a trial that Optuna calls failed
    row = {"study": study, "number": trial.number, **attributes}
    row["state"] = "diverged" if diverged else STATE_OF_OPTUNA.get(trial.state, "censored")
    if trial.state == TrialState.COMPLETE:
        row[objective] = trial.value
    return row | trial.params
