"""What the columns of somebody's runs seem to mean, and what of it must be settled by hand.

A guess is printed before a page is made; one that could change a verdict (which metric, in which direction, the
default, the margin) and is not sure becomes a question, and no page is made until runs.yaml answers it.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import yaml

from evenkeel.study.exchange.foreign_runs import ForeignRuns
from evenkeel.study.exchange.tidy import plain_value
from evenkeel.study.file.header import DEFAULT_MARGIN

METHOD_NAMES = ("loss", "method", "study", "algorithm", "model", "estimator", "optimizer")
SEED_NAMES = ("seed", "random_seed", "random_state", "rng_seed", "replicate", "repeat", "fold")
BOOKKEEPING = re.compile(
    r"^(_.*|(run_|trial_|experiment_)?(id|name|number)|unnamed.*|index|run|trial|state|status|created|created_at|updated|"
    r"start_time|end_time|runtime|duration|time.*|wall_s|host(name)?|user|notes?|tags?|sweep|group|moved|proposal|"
    r"versions|loss_name|loss_path|epochs?_done|epoch|steps?|pid|date|description|github|gpu.*|commit|value)$"
)
LOWER = re.compile(r"loss|err|rmse|mse|mae|nll|perplexity|ppl|ece|brier|deviance|regret")
HIGHER = re.compile(r"acc|auc|auroc|f1|map|precision|recall|score|r2|kappa|iou|dice|bleu|rouge|reward|return|ndcg|mcc")
SPLITS = {"test": "test", "val": "validation", "valid": "validation", "validation": "validation", "eval": "test"}
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
    result.lines.append(f"seed: the column {seed}" if seed else "seed: no column; runs of one setting are numbered")
    metrics = _metrics(runs, {method, seed})
    settings = _settings(runs, {method, seed, *(column for columns in metrics.values() for column in columns.values())})
    _understand_metrics(result, runs, metrics)
    defaults = {name: _default(result, frame, name, method) for name in settings}
    result.mapping["hyperparameters"] = defaults
    _understand_design(result, runs, settings, method, seed)
    _drop_idle_questions(result)
    used = {method, seed, *settings, result.mapping.get("design_column")}
    used |= {column for columns in metrics.values() for column in columns.values()}
    if left := [str(column) for column in frame.columns if column not in used]:
        result.lines.append(f"left out: {', '.join(left)}")
    return result


def _drop_idle_questions(result: Understanding) -> None:
    """A default decides nothing of an adaptive search. A sweep is never taken for one by a wrong default: over several
    hyperparameters its default is the most frequent value, without a tie."""
    if result.mapping["design"] == "adaptive":
        result.questions = [question for question in result.questions if not question.startswith("hyperparameters.")]


def _named(frame: pd.DataFrame, names: tuple[str, ...], *, textual: bool, excluded: tuple[str, ...]) -> str | None:
    """The column of one of the names, in their order; a textual one holds words."""
    by_name = {_bare(column): column for column in reversed(list(frame.columns)) if column not in excluded}
    for name in names:
        column = by_name.get(name)
        if column is not None and (not textual or not pd.api.types.is_numeric_dtype(frame[column])):
            return column
    return None


def _bare(column: Hashable) -> str:
    """A column's name without what tools put before it (`config/`, `params.`, `hp.`), in lower case."""
    return re.split(r"[./]", str(column).lower())[-1].strip().replace(" ", "_")


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
        words = [word for word in re.split(r"[^a-z0-9]+", _bare(column)) if word]
        split = next((SPLITS[word] for word in words if word in SPLITS), "")
        named = LOWER.search(_bare(column)) or HIGHER.search(_bare(column))
        if column not in frame or column in runs.settings or words[:1] == ["train"] or column in constant:
            continue
        if column in runs.metrics or (split if own else named and not BOOKKEEPING.match(_bare(column))):
            name = "_".join(word for word in words if word not in SPLITS) or "score"
            by_name.setdefault(name, {}).setdefault(split, column)
    return by_name


def _settings(runs: ForeignRuns, taken: set[Any]) -> list[str]:
    """Columns that vary and are no score, seed, method or bookkeeping."""
    frame = runs.frame
    own = [c for c in frame.columns if str(c).startswith("hp.")]
    columns = runs.settings or own or [c for c in frame.columns if not BOOKKEEPING.match(_bare(c)) and c != "design"]
    return [c for c in columns if c not in taken and frame[c].astype(str).nunique() > 1]


def _understand_metrics(result: Understanding, runs: ForeignRuns, metrics: dict[str, dict[str, str]]) -> None:
    result.mapping["metrics"] = {}
    for name, columns in metrics.items():
        column = columns.get("test") or columns.get("") or columns["validation"]
        validation = columns.get("validation") if columns.get("validation") != column else None
        better = runs.better.get(column) or _direction(name)
        result.mapping["metrics"][name] = {"column": column, "validation": validation, "better": better or "higher"}
        if better is None:
            result.questions.append(f"metrics.{name}.better: higher or lower?")
    if not metrics:
        result.questions.append("metrics: no column looks like a score; name one as NAME: {column: ..., better: ...}")
        return
    objective = [name for name, columns in metrics.items() if set(columns.values()) & set(runs.better)]
    result.mapping["metric"] = next(iter([*objective, *metrics]))
    if len(metrics) > 1 and len(objective) != 1:
        result.questions.append(f"metric: which of {', '.join(metrics)} is judged first?")
    column = result.mapping["metrics"][result.mapping["metric"]]["column"]
    values = pd.to_numeric(runs.frame[column], errors="coerce")
    result.mapping["margin"] = DEFAULT_MARGIN
    if values.min() < 0 or values.max() > 1:
        spread = f"it goes from {values.min():g} to {values.max():g}"
        result.questions.append(f"margin: how much of {column} may be lost and still be called steady? {spread}")
    else:
        result.lines.append(f"margin: {DEFAULT_MARGIN}, since {column} lies between 0 and 1 and nothing else is said")


def _direction(name: str) -> str | None:
    """By the metric's name, None where it says nothing or both."""
    lower, higher = bool(LOWER.search(name)), bool(HIGHER.search(name))
    return None if lower == higher else "lower" if lower else "higher"


def _default(result: Understanding, frame: pd.DataFrame, name: str, method: str | None) -> Any:
    """The value that most runs have, by method where methods differ: in a sweep of one hyperparameter at a time it is
    the default. A tie is a question where settings were repeated at all."""
    groups = [("", frame)] if method is None else [(str(m), r) for m, r in frame.groupby(method, sort=False)]
    defaults = {}
    for label, rows in groups:
        counts = rows[name].dropna().value_counts()
        if counts.empty:
            continue
        top = counts[counts == counts.iloc[0]]
        defaults[label] = plain_value(top.index[0])
        if len(top) > 1 and counts.iloc[0] > 1:
            of_method = f" of {label}" if label else ""
            values = ", ".join(str(plain_value(value)) for value in top.index[:5])
            result.questions.append(f"hyperparameters.{name}: is the default{of_method} one of {values}?")
    if len(set(map(repr, defaults.values()))) == 1:
        return next(iter(defaults.values()))
    return defaults


def _understand_design(
    result: Understanding, runs: ForeignRuns, settings: list[str], method: str | None, seed: str | None
) -> None:
    frame = runs.frame
    if "design" in frame and set(frame["design"].dropna()) <= OWN_DESIGNS:
        result.mapping |= {"design": None, "design_column": "design"}
        result.lines.append("design: the column design")
        return
    groups = [frame] if method is None else [rows for _, rows in frame.groupby(method, sort=False)]
    designs = {_design(rows, settings, result.mapping["hyperparameters"], method) for rows in groups}
    design = designs.pop() if len(designs) == 1 else "adaptive"
    result.mapping["design"] = design
    result.lines.append(f"design: {DESIGN_WORDS[design]}")


DESIGN_WORDS = {
    "sweep": "sweep, every run departs from the defaults in one hyperparameter at most",
    "grid": "grid, all combinations of the levels are there",
    "adaptive": "adaptive, since nothing says that settings were not chosen by earlier scores; write random if they "
    "were drawn at random. Curves, tolerance and shares need settings that were not chosen by their outcome",
}


def _design(rows: pd.DataFrame, settings: list[str], defaults: dict[str, Any], method: str | None) -> str:
    own = [name for name in settings if rows[name].notna().any()]
    label = "" if method is None else str(rows[method].iloc[0])
    moved = pd.DataFrame({name: _differs(rows[name], _default_of(defaults[name], label)) for name in own})
    if (moved.sum(axis=1) <= 1).all():
        return "sweep"
    num_levels = 1
    for name in own:
        num_levels *= rows[name].nunique()
    distinct = len(rows[own].drop_duplicates())
    return "grid" if distinct == num_levels else "adaptive"


def _differs(values: pd.Series, default: Any) -> pd.Series:
    return (values.notna() & (values != default)).astype(int)


def _default_of(default: Any, label: str) -> Any:
    return default.get(label) if isinstance(default, dict) else default
