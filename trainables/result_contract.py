"""What a trainable must hand back, checked trial by trial as it comes: one bad result costs its own trial alone."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.measures import METRICS, columns
from evenkeel.trainables.result import STATES, Result
from evenkeel.trainables.trial import Trial

PAGE = "docs/adding_a_trainable.md"


def checked_results(
    worker: object, trials: Sequence[Trial], results: Iterable[tuple[Trial, Result]], measures: Sequence[str]
) -> Iterator[tuple[Trial, Result]]:
    """The results that keep to the rules, as they come.

    Raises TrainableError at the end, naming the worker's class and the rule, where one was doubled, not asked for, of
    wrong types, or left out; what `results` raises is passed on.
    """
    missing, complaints = {trial.id for trial in trials}, []
    declared = declared_metrics(measures)
    for pair in results:
        problem = _pair_problem(pair, missing) or _problem(pair[1], declared)
        if problem:
            complaints.append(problem)
        else:
            missing.discard(pair[0].id)
            yield pair
    if missing and not complaints:
        complaints.append(f"gave no result for {len(missing)} of {len(trials)} trials (rule 3)")
    if complaints:
        raise TrainableError(f"{type(worker).__name__}.run {complaints[0]}; see {PAGE}")


def declared_metrics(measures: Sequence[str]) -> set[str]:
    """The metrics that a trial may have: `<split>_<column>`, and `<split>_<column>_<part>`.

    A training function may return any metric by its name, so the known ones are allowed whatever the study asks for.
    """
    names = set()
    for name, column in columns([*dict.fromkeys(METRICS.values()), *measures]).items():
        parts = [name, *(f"{name}_{part}" for part in column.parts)]
        names |= {f"{split}_{part}" for split in column.splits for part in parts}
    return names


def _pair_problem(pair: Any, missing: set[str]) -> str | None:
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Trial) and isinstance(pair[1], Result)):
        return f"must yield (Trial, Result), got {type(pair).__name__} (rule 3)"
    if pair[0].id not in missing:
        return f"gave a result twice, or for a trial that it was not given ({pair[0].label}, {pair[0].id}) (rule 4)"
    return None


def _problem(result: Result, declared: set[str]) -> str | None:
    """What is wrong with a result, in words; None when nothing is."""
    if result.state not in STATES:
        return f"gave the state {result.state!r}, not one of {', '.join(STATES)} (rule 5)"
    for name, value in result.metrics.items():
        if name not in declared:
            return f"gave the metric {name!r}, which no measure declares; {nearest(name, declared)} (rule 6)"
        if not _is_number(value):
            return f"gave {name} = {value!r}, not a number or None (rule 5)"
    for field in ("per_class", "images", "curves"):
        for name, values in getattr(result, field).items():
            if not isinstance(values, list) or not all(map(_is_number, values)):
                return f"gave {field}[{name!r}] that is no list of numbers (rule 5)"
    return None


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
