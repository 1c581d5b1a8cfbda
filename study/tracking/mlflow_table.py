"""From MLflow alone to the trial table: the same that the ledger gives."""

from itertools import starmap

import pandas as pd

from evenkeel.reports.table.machines import set_other_shared_aside
from evenkeel.reports.table.trial_table import trial_table
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.table import make_row
from evenkeel.study.tracking.reader import read_experiment


def table_from_mlflow(uri: str, name: str, identity: str | None = None) -> pd.DataFrame:
    """The trial table, one row a trial, from an MLflow experiment.

    The experiment is known by the study's identity or, without one, by its name. Raises LookupError when there is none
    and ConnectionError when nobody answers.
    """
    contents, records = read_experiment(uri, name, identity)
    facts = read_facts(contents, f"MLflow experiment {name!r}")
    return set_other_shared_aside(trial_table(starmap(make_row, records.items()), facts))
