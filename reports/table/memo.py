"""What many sections ask of one trial table is worked out once: the sweep of a hyperparameter, the cloud of a loss."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.trial_table import facts_of, with_facts

P = ParamSpec("P")
R = TypeVar("R")
Asked = Callable[Concatenate[pd.DataFrame, P], R]
FOUND = "found"


class _Found(dict[Any, Any]):
    """Hangs on frames of the same trials; pandas gives what it makes of them none, since its trials may be others."""

    def __deepcopy__(self, memo: object) -> None:
        return None


def remembering(table: pd.DataFrame, study: StudyFacts) -> pd.DataFrame:
    """The same trials, not to be changed, under facts that differ in the shown metric alone."""
    found, other = table.attrs.get(FOUND), with_facts(table, study)
    other.attrs[FOUND] = _Found() if found is None else found
    return other


def remembered(function: "Asked[P, R]") -> "Asked[P, R]":
    """A function of the trials and the shown metric, asked once a table that is `remembering`."""
    return _asked_once(function, lambda table: facts_of(table).metric)


def remembered_of_trials(function: "Asked[P, R]") -> "Asked[P, R]":
    """The same of a function that does not depend on the metric."""
    return _asked_once(function, lambda table: None)


def _asked_once(function: "Asked[P, R]", shown: Callable[[pd.DataFrame], str | None]) -> "Asked[P, R]":
    @wraps(function)
    def asked(table: pd.DataFrame, *args: P.args, **kwargs: P.kwargs) -> R:
        found = table.attrs.get(FOUND)
        if found is None:
            return function(table, *args, **kwargs)
        key = (function, shown(table), args, tuple(kwargs.items()))
        if key not in found:
            found[key] = function(table, *args, **kwargs)
        return found[key]

    return asked
