"""What the columns of somebody's runs seem to mean, and what of it must be settled by hand.

A guess is printed before a page is made; one that could change a verdict (which metric, in which direction, the
default, the margin) and is not sure becomes a question, and no page is made until runs.yaml answers it.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import yaml

from evenkeel.study.exchange.columns import (
    SPLITS,
    is_bookkeeping,
    is_configured,
    is_counter,
    is_measured,
    is_of_train,
    is_score,
    last_part,
    score_words,
    split_of,
)
from evenkeel.study.exchange.columns import better as better_by_name
from evenkeel.study.exchange.foreign_runs import ForeignRuns
from evenkeel.study.exchange.guess_design import DESIGN_WORDS, guess_default, guess_design
from evenkeel.study.file.header import DEFAULT_MARGIN

METHOD_NAMES = ("loss", "method", "study", "algorithm", "model", "estimator", "optimizer")
FOLD, MAX_FOLDS = "fold", 10
"""A seed's column of that name holds folds; more of them are those of a repeated cross-validation."""
SEED_NAMES = ("seed", "random_seed", "random_state", "rng_seed", "replicate", "repeat", FOLD)
MAX_WORDS = 3
"""Words that are others in every run are names of runs, unless there are so few."""
OWN_DESIGNS = {"sweep", "pair", "sobol", "search", "confirm"}


@dataclass
class Understanding:
    """A mapping as runs.yaml writes it; `lines` are lines for a person, `questions` are what must be settled first."""

    mapping: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def yaml(self) -> str:
        """runs.yaml, ready to edit: questions and what was understood stand above it as comments."""
        text = [f"# settle this: {line}" for line in self.questions] + [f"# {line}" for line in self.lines]
        return "\n".join(text) + "\n" + yaml.safe_dump(self.mapping, sort_keys=False, allow_unicode=True)


def understand(runs: ForeignRuns) -> Understanding:
    """Guess a mapping from names and values; see the module for what is asked instead."""
    frame = runs.frame
    result = Understanding({"name": runs.title}, list(runs.notes))
    method = _named(frame, METHOD_NAMES, textual=True, excluded=runs.metrics)
    seed = _named(frame, SEED_NAMES, textual=False, excluded=runs.metrics)
    result.mapping |= {"method": method, "seed": seed}
    result.lines.append(f"method: {_methods(frame, method)}")
    _understand_seed(result, frame, seed)
    metrics = _metrics(runs, {method, seed})
    settings = _settings(runs, {method, seed, *(column for columns in metrics.values() for column in columns.values())})
    _understand_metrics(result, runs, metrics)
    conditional = _is_conditional(runs, settings, method)
    once = frame.drop_duplicates([seed, *settings, *([method] if method else [])]) if seed else frame
    defaults = {name: _default(result, once, name, method, conditional=conditional) for name in settings}
    result.mapping["hyperparameters"] = defaults
    _understand_design(result, runs, once, settings, method)
    _drop_idle_questions(result)
    used = {method, seed, *settings, result.mapping.get("design_column")}
    used |= {column for columns in metrics.values() for column in columns.values()}
    if left := [str(column) for column in frame.columns if column not in used]:
        result.lines.append(f"left out: {', '.join(left)}")
    return result


def _is_conditional(runs: ForeignRuns, settings: list[str], method: str | None) -> bool:
    """Whether finished runs of one method set other hyperparameters than others of it."""
    done = runs.frame[[state == "done" for state in runs.states]]
    is_set = [rows[settings].notna() for _, rows in _by_method(done, method)]
    return any(((rows.sum() > 0) & ~rows.all()).any() for rows in is_set)


def _by_method(rows: pd.DataFrame, method: str | None) -> list[tuple[str, pd.DataFrame]]:
    """Each method with its runs; all of them under the empty name where no column says the method."""
    return [("", rows)] if method is None else [(str(name), own) for name, own in rows.groupby(method, sort=False)]


def _drop_idle_questions(result: Understanding) -> None:
    """A default decides nothing of an adaptive search. A sweep is never taken for one by a wrong default: over several
    hyperparameters its default is the most frequent value, without a tie."""
    if result.mapping["design"] == "adaptive":
        result.questions = [question for question in result.questions if not question.startswith("hyperparameters.")]


def _named(frame: pd.DataFrame, names: tuple[str, ...], *, textual: bool, excluded: tuple[str, ...]) -> str | None:
    """The column of one of the names, in their order; a textual one holds words."""
    by_name = {last_part(column): column for column in reversed(list(frame.columns)) if column not in excluded}
    for name in names:
        column = by_name.get(name)
        if column is not None and (not textual or not pd.api.types.is_numeric_dtype(frame[column])):
            return column
    return None


def _understand_seed(result: Understanding, frame: pd.DataFrame, seed: str | None) -> None:
    result.lines.append(f"seed: the column {seed}" if seed else "seed: no column; runs of one setting are numbered")
    if seed and (missing := int(frame[seed].isna().sum())):
        result.questions.append(
            f"seed: {missing} runs have no {seed}; fill them in, or write seed: null to number the runs of each setting"
        )
    if seed and last_part(seed) == FOLD and (num := frame[seed].nunique()) > 1:
        _understand_folds(result, num)


def _understand_folds(result: Understanding, num: int) -> None:
    result.mapping["folds"] = num
    if num > MAX_FOLDS:
        result.questions.append(f"folds: into how many parts were the rows cut at a time? there are {num} splits")
    else:
        result.lines.append(f"folds: {num}; write how many parts the rows were cut into if that was repeated")


def _methods(frame: pd.DataFrame, method: str | None) -> str:
    if method is None:
        return "no column; all runs are one method"
    return f"the column {method} ({', '.join(map(str, frame[method].dropna().unique()[:8]))})"


def _metrics(runs: ForeignRuns, taken: set[str | None]) -> dict[str, dict[str, str]]:
    """Name of a metric -> its columns by split ("" where none is named)."""
    frame, by_name = runs.frame, dict[str, dict[str, str]]()
    numeric = [c for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c]) and c not in taken]
    own = any(str(column).startswith("hp.") for column in frame.columns)
    constant = {column for column in numeric if len(frame) > 1 and frame[column].nunique(dropna=False) == 1}
    constant = set() if set(runs.metrics) <= constant else constant
    for column in dict.fromkeys([*runs.metrics, *numeric]):
        if column not in frame or column in (*runs.settings, *constant) or is_configured(column):
            continue
        if is_of_train(column) or (is_counter(column) and column not in runs.better):
            continue
        split = split_of(column)
        if column in runs.metrics or (split if own else is_score(column) and not is_bookkeeping(column)):
            name = "_".join(word for word in score_words(column) if word not in SPLITS) or "score"
            by_name.setdefault(name, {}).setdefault(split, column)
    return by_name


def _settings(runs: ForeignRuns, taken: set[Any]) -> list[str]:
    """Columns that vary and are no score, seed, method, bookkeeping or name of a run."""
    frame = runs.frame
    own = [c for c in frame.columns if str(c).startswith("hp.")]
    configured = [c for c in frame.columns if is_configured(c) and not is_bookkeeping(c)]
    plain = [c for c in frame.columns if not is_bookkeeping(c) and not is_measured(frame[c]) and c != "design"]
    columns = own or runs.settings or configured or plain
    return [c for c in columns if c not in taken and _varies(frame[c])]


def _varies(values: pd.Series) -> bool:
    """Whether it has several values, and is no word or date that is another in every run."""
    num_values = values.nunique()
    each_its_own = num_values == len(values) and not pd.api.types.is_numeric_dtype(values)
    return num_values > 1 and not (each_its_own and len(values) > MAX_WORDS)


def _understand_metrics(result: Understanding, runs: ForeignRuns, metrics: dict[str, dict[str, str]]) -> None:
    result.mapping["metrics"] = {}
    for name, columns in metrics.items():
        column = columns.get("test") or columns.get("") or columns["validation"]
        validation = columns.get("validation") if columns.get("validation") != column else None
        better = runs.better.get(column) or better_by_name(name)
        result.mapping["metrics"][name] = {"column": column, "validation": validation, "better": better or "higher"}
        if better is None:
            result.questions.append(f"metrics.{name}.better: higher or lower?")
    if not metrics and "done" not in runs.states:
        result.questions.append(
            f"metrics: none of {len(runs.states):,} runs finished, so that there is no score to judge"
        )
        return
    if not metrics:
        result.questions.append("metrics: no column looks like a score; name one as NAME: {column: ..., better: ...}")
        return
    objective = [name for name, columns in metrics.items() if set(columns.values()) & set(runs.better)]
    result.mapping["metric"] = next(iter([*objective, *metrics]))
    if len(metrics) > 1 and len(objective) != 1:
        result.questions.append(f"metric: which of {', '.join(metrics)} is judged first?")
    column = result.mapping["metrics"][result.mapping["metric"]]["column"]
    values = pd.to_numeric(runs.frame[column], errors="coerce").replace([math.inf, -math.inf], math.nan)
    result.mapping["margin"] = DEFAULT_MARGIN
    if values.min() < 0 or values.max() > 1:
        spread = f"it goes from {values.min():g} to {values.max():g}"
        result.questions.append(f"margin: how much of {column} may be lost and still be called steady? {spread}")
    else:
        result.lines.append(f"margin: {DEFAULT_MARGIN}, since {column} lies between 0 and 1 and nothing else is said")


def _default(result: Understanding, frame: pd.DataFrame, name: str, method: str | None, *, conditional: bool) -> Any:
    """The default by method where methods differ. Levels that are about as frequent are a question, and so is any where
    some runs set other hyperparameters than others: then the frequent ones need not be defaults."""
    defaults = {}
    for label, rows in _by_method(frame, method):
        default, rivals = guess_default(rows[name])
        if default is None:
            continue
        defaults[label] = default
        of_method = f" of {label}" if label else ""
        if rivals:
            values = ", ".join(map(str, [default, *rivals[:4]]))
            result.questions.append(f"hyperparameters.{name}: is the default{of_method} one of {values}?")
        elif conditional and rows[name].nunique() > 1:
            why = "some runs set other hyperparameters than others"
            result.questions.append(f"hyperparameters.{name}: is the default{of_method} {default}? {why}")
    if len(set(map(repr, defaults.values()))) == 1:
        return next(iter(defaults.values()))
    return defaults


def _understand_design(
    result: Understanding, runs: ForeignRuns, frame: pd.DataFrame, settings: list[str], method: str | None
) -> None:
    """`frame` has each setting once a seed, however often it was started."""
    if "design" in frame and set(frame["design"].dropna()) <= OWN_DESIGNS:
        result.mapping |= {"design": None, "design_column": "design"}
        result.lines.append("design: the column design")
        return
    design = "adaptive" if runs.chosen else _common_design(frame, settings, result.mapping["hyperparameters"], method)
    result.mapping["design"] = design
    result.lines.append(f"design: {runs.chosen or DESIGN_WORDS[design]}")
    if not runs.settings:
        _ask_for_outcomes(result, frame, settings, method)


def _common_design(frame: pd.DataFrame, settings: list[str], defaults: dict[str, Any], method: str | None) -> str:
    """The design that the runs of every method have."""
    designs = {
        guess_design(rows, settings, {name: _default_of(default, label) for name, default in defaults.items()})
        for label, rows in _by_method(frame, method)
    }
    return designs.pop() if len(designs) == 1 else "adaptive"


def _ask_for_outcomes(result: Understanding, frame: pd.DataFrame, settings: list[str], method: str | None) -> None:
    """Numbers that are others in every run hide a sweep: they may be outcomes with an unusual name."""
    defaults = result.mapping["hyperparameters"]
    odd = [c for c in settings if pd.api.types.is_numeric_dtype(frame[c]) and frame[c].nunique() == len(frame)]
    settled = [c for c in settings if c not in odd]
    if odd and settled and _common_design(frame, settled, defaults, method) != "adaptive":
        names = ", ".join(map(str, odd))
        result.questions.append(
            f"hyperparameters: are {names} outcomes? take them out, and set design; without them the runs are a sweep"
        )


def _default_of(default: Any, label: str) -> Any:
    return default.get(label) if isinstance(default, dict) else default
