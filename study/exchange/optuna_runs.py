"""The studies of an Optuna storage as runs: sqlite, or a journal file."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from evenkeel.study.errors import UserError
from evenkeel.study.exchange.foreign_runs import ForeignRuns, make_frame

STATE_OF_OPTUNA = {TrialState.COMPLETE: "done", TrialState.FAIL: "failed"}
"""All others did not end: `censored`."""
JOURNALS = (".log", ".journal")
UNNAMED = "no-name-"


def read_optuna(path: Path, only: str | None = None) -> ForeignRuns:
    """The studies of a storage, or `only` one; the study's name is the method, parameters are settings, values and
    numeric user attributes are scores. Trials that are enqueued and never ran are left out.

    Raises UserError for a file that is no storage, a study that is not there or has several objectives, and for studies
    that cannot be judged by one: with other objectives or directions.
    """
    studies = _studies(path, _open(path), only)
    trials = [(study, trial) for study in studies for trial in study.get_trials(deepcopy=False)]
    ran = [(study, trial) for study, trial in trials if trial.state != TrialState.WAITING]
    if not ran:
        raise UserError(f"--runs {path}: the storage holds no trials")
    value, better = _objective(path, studies)
    rows = [_row(trial, _name(study, path), value) for study, trial in ran]
    settings = dict.fromkeys(name for _, trial in ran for name in trial.params)
    states = [row.pop("state") for row in rows]
    left = len(trials) - len(ran)
    notes = (f"{left:,} trials are enqueued and were never run: left out",) if left else ()
    frame = make_frame(rows, settings)
    return ForeignRuns(path.stem, frame, states, tuple(settings), (value,), {value: better}, notes=notes)


def _studies(path: Path, storage: Any, only: str | None) -> list[optuna.Study]:
    names = optuna.get_all_study_names(storage)
    if only is not None and only not in names:
        raise UserError(f"--runs {path}:{only}: no such study; there are {', '.join(names)}")
    return [optuna.load_study(study_name=name, storage=storage) for name in names if only in (None, name)]


def _objective(path: Path, studies: list[optuna.Study]) -> tuple[str, str]:
    """What all of them judge by, and which direction is better."""
    for study in studies:
        if len(study.directions) > 1:
            raise UserError(
                f"--runs {path}: {study.study_name!r} has {len(study.directions)} objectives, and one can be judged"
                f"{_way_out(path, studies)}"
            )
    objectives = {
        study.study_name: (str(study.user_attrs.get("value", "value")), study.directions[0].name.lower())
        for study in studies
    }
    if len(set(objectives.values())) > 1:
        words = ", ".join(f"{name} {direction}s {value}" for name, (value, direction) in objectives.items())
        raise UserError(f"--runs {path}: its studies have other objectives: {words}{_way_out(path, studies)}")
    value, direction = next(iter(objectives.values()))
    return value, "lower" if direction == "minimize" else "higher"


def _way_out(path: Path, studies: list[optuna.Study]) -> str:
    return f"; name one study: {path}:{studies[0].study_name}" if len(studies) > 1 else ""


def _name(study: optuna.Study, path: Path) -> str:
    """What a method is called: Optuna makes names up for studies without one."""
    return path.stem if study.study_name.startswith(UNNAMED) else str(study.study_name)


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
    row = {**attributes, "study": study, "number": trial.number}
    row["state"] = "diverged" if diverged else STATE_OF_OPTUNA.get(trial.state, "censored")
    if trial.state == TrialState.COMPLETE:
        row[objective] = trial.value
    return row | trial.params
