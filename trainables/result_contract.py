"""What a trainable must hand back, checked trial by trial as it comes: one bad result costs its own trial alone."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evenkeel.trainables.errors import TrainableError, nearest, shown
from evenkeel.trainables.measures import METRICS, columns
from evenkeel.trainables.result import MAX_NUMBER, STATES, Result, is_below
from evenkeel.trainables.trial import Trial

TRAINABLE_PAGE = "docs/adding_a_trainable.md"


def checked_results(
    worker: object,
    trials: Sequence[Trial],
    results: Iterable[tuple[Trial, Result]],
    measures: Sequence[str],
    place: Path,
) -> Iterator[tuple[Trial, Result]]:
    """The results that keep to the rules, as they come; `place` is the folder that the worker was given.

    Raises TrainableError at the end, naming the worker's class and the rule, where one was doubled, not asked for, of
    wrong types, or left out; what `results` raises is passed on.
    """
    missing, complaints = {trial.id: trial for trial in trials}, []
    declared = declared_metrics(measures)
    for pair in results:
        problem = _pair_problem(pair, missing) or _problem(pair[1], declared, place)
        if problem:
            complaints.append(problem)
        else:
            yield missing.pop(pair[0].id), pair[1]  # the trial as it was given, whatever became of its words
    if missing and not complaints:
        complaints.append(f"gave no result for {len(missing)} of {len(trials)} trials (rule 3)")
    if complaints:
        raise TrainableError(f"{type(worker).__name__}.run {complaints[0]}; see {TRAINABLE_PAGE}")


def declared_metrics(measures: Sequence[str]) -> set[str]:
    """The metrics that a trial may have: `<split>_<column>`, and `<split>_<column>_<part>`.

    A training function may return any metric by its name, so the known ones are allowed whatever the study asks for.
    """
    names = set()
    for name, column in columns([*dict.fromkeys(METRICS.values()), *measures]).items():
        parts = [name, *(f"{name}_{part}" for part in column.parts)]
        names |= {f"{split}_{part}" for split in column.splits for part in parts}
    return names


def _pair_problem(pair: Any, missing: dict[str, Trial]) -> str | None:
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Trial) and isinstance(pair[1], Result)):
        return f"must yield (Trial, Result), got {type(pair).__name__} (rule 3)"
    if pair[0].id not in missing:
        return f"gave a result twice, or for a trial that it was not given ({pair[0].label}, {pair[0].id}) (rule 4)"
    return None


def _problem(result: Result, declared: set[str], place: Path) -> str | None:
    """What is wrong with a result, in words; None when nothing is."""
    if result.state not in STATES:
        return f"gave the state {result.state!r}, not one of {', '.join(STATES)} (rule 5)"
    for field, rule, is_kept in RULES:
        value = getattr(result, field)
        if not is_kept(value):
            return f"gave {field} = {shown(value)}, not {rule} (rule 5)"
    for name, number in result.metrics.items():
        if name not in declared:
            return f"gave the metric {name!r}, which no measure declares; {nearest(name, declared)} (rule 6)"
        if not _is_number(number):
            return f"gave {name} = {shown(number)}, not a number up to {MAX_NUMBER:g} or None (rule 5)"
    for field in ("per_class", "images", "curves"):
        for name, values in getattr(result, field).items():
            if not isinstance(values, list) or not all(map(_is_number, values)):
                return f"gave {field}[{name!r}] that is no list of numbers (rule 5)"
    if outside := [path for path in result.files.values() if not path or not is_below(place, path)]:
        return f"gave the file {shown(outside[0])}, not a path below its own place (rule 7)"
    return None


def _is_number(value: object) -> bool:
    """Whether JSON has it, or None where it is not finite; what is larger than statistics can square is not."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value is None
    return not abs(value) > MAX_NUMBER or value in (math.inf, -math.inf)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _has_names(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value))


RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("metrics", "numbers by name", _has_names),
    ("per_class", "lists by name", _has_names),
    ("images", "lists by name", _has_names),
    ("curves", "lists by name", _has_names),
    ("epochs_done", "a whole number", lambda value: isinstance(value, int) and _is_number(value)),
    ("wall_s", "a number of seconds", lambda value: value is not None and _is_number(value)),
    ("loss_path", "a text", _is_text),
    ("note", "a text or None", lambda value: value is None or _is_text(value)),
    ("files", "paths by name", lambda value: _has_names(value) and all(map(_is_text, value.values()))),
)
"""Field, what it must be, whether it is."""
