"""What many sections ask of one table is computed once: the sweep of a hyperparameter, the Sobol points of a loss."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.trial_table import facts_of, with_facts

P = ParamSpec("P")
R = TypeVar("R")
Query = Callable[Concatenate[pd.DataFrame, P], R]
CACHE = "cache"


class _Cache(dict[Any, Any]):
    """Hangs on frames of the same trials; pandas gives what it makes of them none, since its trials may be others."""

    def __deepcopy__(self, memo: object) -> None:
        return None


def with_cache(table: pd.DataFrame, study: StudyFacts) -> pd.DataFrame:
    """The same trials, not to be changed, under facts that differ in the shown metric alone."""
    cache, other = table.attrs.get(CACHE), with_facts(table, study)
    other.attrs[CACHE] = _Cache() if cache is None else cache
    return other


def cached_by_metric(function: "Query[P, R]") -> "Query[P, R]":
    """A function of the trials and the metric that is shown, computed once for a table `with_cache`."""
    return _cached(function, lambda table: facts_of(table).metric)


def cached_by_trials(function: "Query[P, R]") -> "Query[P, R]":
    """The same of a function that does not depend on the metric."""
    return _cached(function, lambda table: None)


def _cached(function: "Query[P, R]", metric_of: Callable[[pd.DataFrame], str | None]) -> "Query[P, R]":
    @wraps(function)
    def answer(table: pd.DataFrame, *args: P.args, **kwargs: P.kwargs) -> R:
        cache = table.attrs.get(CACHE)
        if cache is None:
            return function(table, *args, **kwargs)
        key = (function, metric_of(table), args, tuple(kwargs.items()))
        if key not in cache:
            cache[key] = function(table, *args, **kwargs)
        return cache[key]

    return answer
