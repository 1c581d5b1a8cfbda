"""A study as an Optuna storage (one Optuna study a loss)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import StaticPool

from evenkeel.reports.facts import ParameterFacts, StudyFacts
from evenkeel.reports.table.trial_table import facts_of, metric_columns
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.tidy import TRIAL_WORDS, plain_value

OPTUNA_STATES = {
    "done": TrialState.COMPLETE,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
    "censored": TrialState.PRUNED,
}
START = datetime(2000, 1, 1)
"""Optuna wants a time; only how long a trial took is known."""
IN_MEMORY = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
"""The database is made in memory and written once: on a disk Optuna waits for each trial's commit, about a second."""
METRICS = "metrics"
"""User attribute that holds all scores of a trial: one row of the database, where one each would be forty."""


def write_optuna(table: pd.DataFrame, path: Path) -> list[str]:
    """Write `path`, an sqlite database that optuna-dashboard opens, and return the names of its studies.

    The value of a trial is its validation score under the study's metric (its test score where no validation was
    scored); what the space declares are its parameters, all else are user attributes. Raises UserError for a file that
    is there already.
    """
    if path.exists():
        raise UserError(f"{path}: is there already; name another file, or remove it")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=IN_MEMORY)
    study, names = facts_of(table), list[str]()
    for label, loss in study.losses.items():
        names.append(f"{study.name}: {label}")
        direction = optuna.study.StudyDirection.MINIMIZE if study.sign < 0 else optuna.study.StudyDirection.MAXIMIZE
        target = optuna.create_study(storage=storage, study_name=names[-1], direction=direction)
        target.set_user_attr("value", f"{_split(table, study)}_{study.metric}")
        target.add_trials(list(_trials(table[table.loss == label], study, loss.space)))
    with closing(sqlite3.connect(path)) as file:
        connection = storage.engine.raw_connection().driver_connection
        assert connection is not None
        connection.backup(file)
    return names


def _split(table: pd.DataFrame, study: StudyFacts) -> str:
    column = f"val_{study.metric}"
    return "val" if column in table and table[column].notna().any() else "test"


def _trials(rows: pd.DataFrame, study: StudyFacts, space: dict[str, ParameterFacts]) -> Iterator[FrozenTrial]:
    distributions = {name: _distribution(parameter, rows[f"hp.{name}"]) for name, parameter in space.items()}
    metrics, split = [name for name in metric_columns(study) if name in rows], _split(rows, study)
    for record in rows.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        state = OPTUNA_STATES[row["state"]]
        score = row[f"{split}_{study.metric}"]
        fixed = {key: value for key, value in row.items() if key.startswith("hp.") and key[3:] not in space}
        words = {key: row[key] for key in TRIAL_WORDS} | fixed
        scores = {name: row[name] for name in metrics if not pd.isna(row[name])}
        finished = state == TrialState.COMPLETE and not pd.isna(score)
        trial = optuna.trial.create_trial(
            state=TrialState.FAIL if state == TrialState.COMPLETE and not finished else state,
            value=score if finished else None,
            params={name: row[f"hp.{name}"] for name in space},
            distributions=distributions,
            user_attrs={k: plain_value(v) for k, v in words.items() if not pd.isna(v)} | {METRICS: scores},
        )
        trial.datetime_start, trial.datetime_complete = START, START + timedelta(seconds=row["wall_s"])
        yield trial


def _distribution(parameter: ParameterFacts, values: pd.Series) -> BaseDistribution:
    """The range that the space declares, widened to the values that the study itself named."""
    if parameter.kind == "choice":
        return CategoricalDistribution(parameter.options)
    low, high = min([parameter.low, *values]), max([parameter.high, *values])
    if parameter.kind == "int":
        return IntDistribution(int(low), int(high))
    return FloatDistribution(low, high, log=parameter.log)
