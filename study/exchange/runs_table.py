"""Somebody's runs as the trial table, under a mapping: which design each run belongs to, what the page may claim."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from evenkeel.reports.facts import DataFacts, LossFacts, MeasureFacts, ParameterFacts, StudyFacts
from evenkeel.reports.table.trial_table import (
    CONFIRM,
    DIVERGED,
    DONE,
    PAIR,
    SEARCH,
    SOBOL,
    SWEEP,
    TrialRow,
    trial_table,
)
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.foreign_runs import ForeignRuns
from evenkeel.study.exchange.mapping import RunsMapping
from evenkeel.study.exchange.tidy import plain_value

LOG_RATIO = 100
"""Positive levels that lie further apart are drawn on a logarithmic axis."""
LIMITS = "These runs were not trained by evenkeel. {intervals} No constant predictor is known to compare with."
OF_SEEDS = (
    "Intervals hold the noise of seeds alone: the noise of test images is not known, so that a verdict may be surer "
    "than it should be."
)
OF_FOLDS = (
    "Seeds are folds, whose training rows overlap: intervals are widened for that, as for a cut into {folds} parts "
    "(Nadeau and Bengio 2003)."
)

CHOSEN = (
    "Settings were chosen by earlier scores, or nothing says that they were not: no curve, verdict, tolerance or share "
    "can come of them."
)


def runs_table(runs: ForeignRuns, mapping: RunsMapping) -> tuple[pd.DataFrame, list[str]]:
    """The trial table, and lines on what was left out. Raises UserError for a column that is not there, a score that is
    no number, or a default that a swept method lacks."""
    _check_columns(runs.frame, mapping)
    methods = _methods(runs.frame, mapping)
    settings = [_setting(row) for row in runs.frame[list(mapping.hyperparameters)].to_dict("records")]
    filled = _fill_defaults(settings, methods, mapping)
    seeds, notes = _seeds(runs.frame, mapping, methods, settings)
    notes = [*filled, *notes]
    rows = list(_rows(runs, mapping, methods, settings, seeds))
    rows, repeated = _once(rows)
    if repeated:
        notes.append(f"{repeated:,} runs repeat a method, setting and seed; of each the first that finished counts")
    return trial_table(rows, _facts(runs, mapping, rows, notes)), notes


def _check_columns(frame: pd.DataFrame, mapping: RunsMapping) -> None:
    scores = [c for m in mapping.metrics.values() for c in (m.column, m.validation) if c]
    for column in [mapping.method, mapping.seed, mapping.design_column, *mapping.hyperparameters, *scores]:
        if column and column not in frame:
            raise UserError(f"runs.yaml: no column {column!r}; there are {', '.join(map(str, frame.columns))}")
    for column in scores:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise UserError(f"runs.yaml: metrics: the column {column!r} holds no numbers")


def _methods(frame: pd.DataFrame, mapping: RunsMapping) -> list[str]:
    if mapping.method is None:
        return [mapping.name] * len(frame)
    if frame[mapping.method].isna().any():
        raise UserError(f"runs.yaml: method: {frame[mapping.method].isna().sum()} runs have no {mapping.method}")
    return [str(method) for method in frame[mapping.method]]


def _setting(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The hyperparameters of a run: those that have a value."""
    return {name.removeprefix("hp."): plain_value(value) for name, value in row.items() if not _is_missing(value)}


def _fill_defaults(settings: list[dict[str, Any]], methods: list[str], mapping: RunsMapping) -> list[str]:
    """In a sweep or grid, a hyperparameter that a run does not set is at the default of its method, as some tools keep
    only what departs. Returns a line for each. A method that never sets it does not have it."""
    notes = []
    for column in mapping.hyperparameters if mapping.design in ("sweep", "grid") else ():
        name = column.removeprefix("hp.")
        owners = {method for method, setting in zip(methods, settings, strict=True) if name in setting}
        filled = 0
        for method, setting in zip(methods, settings, strict=True):
            default = mapping.default(column, method)
            if method in owners and default is not None and name not in setting:
                setting[name] = default
                filled += 1
        notes += [f"{filled:,} runs do not set {name} and count as runs at its default"] if filled else []
    return notes


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _seeds(
    frame: pd.DataFrame, mapping: RunsMapping, methods: list[str], settings: list[dict[str, Any]]
) -> tuple[list[int], list[str]]:
    """A whole number a run: the seed's own where it is one, else a number in the order of appearance."""
    if mapping.seed is None:
        counts: Counter[str] = Counter()
        seeds = []
        for key in (f"{method} {setting}" for method, setting in zip(methods, settings, strict=True)):
            seeds.append(counts[key])
            counts[key] += 1
        return seeds, ["no column of seeds: runs of one setting are numbered, so that pairs of them share nothing"]
    values = frame[mapping.seed]
    if values.isna().any():
        raise UserError(
            f"runs.yaml: seed: {values.isna().sum()} runs have no {mapping.seed}; fill them in, or write seed: null to "
            "number the runs of each setting"
        )
    if pd.api.types.is_integer_dtype(values) or (pd.api.types.is_float_dtype(values) and (values % 1 == 0).all()):
        return [int(value) for value in values], []
    return pd.factorize(values)[0].tolist(), [f"seeds are numbered: {mapping.seed} holds no whole numbers"]


def _rows(
    runs: ForeignRuns, mapping: RunsMapping, methods: list[str], settings: list[dict[str, Any]], seeds: list[int]
) -> Iterator[TrialRow]:
    records = runs.frame.to_dict("records")
    for number, (row, method, setting, seed) in enumerate(zip(records, methods, settings, seeds, strict=True)):
        metrics = _scores(row, mapping)
        state = runs.states[number]
        if state == DONE and _is_missing(metrics[f"test_{mapping.metric}"]):
            state = DIVERGED
        moved = _moved(setting, mapping, method)
        design = _design(row, mapping, moved)
        yield TrialRow(
            trial_id=_identity(method, setting, seed, design, number),
            loss=method,
            loss_name=method,
            design=design,
            seed=seed,
            group=_group(row, mapping, design),
            moved=", ".join(moved) if design in (SWEEP, PAIR) and moved else None,
            proposal=number if design == SEARCH else None,
            state=state,
            hyperparameters=setting,
            metrics=metrics,
        )


def _scores(row: Mapping[Any, Any], mapping: RunsMapping) -> dict[str, float | None]:
    """The metrics of a run by our column names; what is not finite is missing."""
    scores = {f"test_{name}": row[columns.column] for name, columns in mapping.metrics.items()}
    scores |= {f"val_{name}": row[c.validation] for name, c in mapping.metrics.items() if c.validation}
    return {name: float(value) if math.isfinite(value) else None for name, value in scores.items()}


def _moved(setting: dict[str, Any], mapping: RunsMapping, method: str) -> list[str]:
    """Which hyperparameters differ from the method's defaults."""
    defaults = {name.removeprefix("hp."): mapping.default(name, method) for name in mapping.hyperparameters}
    return [name for name, value in setting.items() if value != defaults[name]]


def _design(row: Mapping[Any, Any], mapping: RunsMapping, moved: list[str]) -> str:
    """What a run may be used for: curves for one that departs in one place and was not chosen by an outcome, tolerance
    and shares for every point that was not, nothing of either for one that was."""
    if mapping.design_column:
        return str(row[mapping.design_column])
    if mapping.design == "adaptive":
        return SEARCH
    if len(moved) <= 1 and mapping.design in ("sweep", "grid"):
        return SWEEP
    if mapping.design == "sweep":
        raise UserError(f"runs.yaml: design: sweep, but a run departs in {', '.join(moved)} at once; write adaptive")
    return SOBOL


def _group(row: Mapping[Any, Any], mapping: RunsMapping, design: str) -> int | None:
    if design not in (SEARCH, CONFIRM):
        return None
    group = row.get("group") if mapping.design_column else 0
    return None if group is None or _is_missing(group) else int(group)


def _identity(method: str, setting: dict[str, Any], seed: int, design: str, number: int) -> str:
    """16 hexadecimal digits; a searched setting is one of its own however often it was proposed."""
    place = str(number) if design == SEARCH else ""
    text = f"{method} {sorted(setting.items())} {seed} {design} {place}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _once(rows: list[TrialRow]) -> tuple[list[TrialRow], int]:
    """One row a trial: the first that finished, for what failed may have been started again."""
    first: dict[str, TrialRow] = {}
    for row in rows:
        if first.setdefault(row.trial_id, row).state not in (DONE, DIVERGED) and row.state in (DONE, DIVERGED):
            first[row.trial_id] = row
    return list(first.values()), len(rows) - len(first)


def _facts(runs: ForeignRuns, mapping: RunsMapping, rows: list[TrialRow], notes: list[str]) -> StudyFacts:
    methods = dict.fromkeys(row.loss for row in rows)
    planned = {label: Counter(row.design for row in rows if row.loss == label) for label in methods}
    seeds = sorted({row.seed for row in rows if row.design != CONFIRM})
    return StudyFacts(
        name=mapping.name,
        description=_description(runs, mapping, notes),
        metric=mapping.metric,
        margins=dict.fromkeys(mapping.metrics, mapping.margin),
        reduction="",
        seeds=tuple(seeds),
        varied=mapping.varied,
        folds=mapping.folds or 0,
        fresh_seeds=tuple(sorted({row.seed for row in rows if row.design == CONFIRM})),
        data=DataFacts(runs.title),
        trainable={"runs": f"{len(rows):,} of {runs.title}", "design": mapping.design or "as the runs say"},
        planned={label: dict(counts) for label, counts in planned.items()},
        losses={label: _method_facts(label, mapping, [row for row in rows if row.loss == label]) for label in methods},
        measures={name: _measure(name, mapping) for name in mapping.metrics},
    )


def _description(runs: ForeignRuns, mapping: RunsMapping, notes: list[str]) -> str:
    """What the page cannot say of such runs, and what was made of the source."""
    sentences = [f"{note[0].upper()}{note[1:]}." for note in (*runs.notes, *notes)]
    intervals = OF_FOLDS.format(folds=mapping.folds) if mapping.folds else OF_SEEDS
    chosen = [CHOSEN] if mapping.design == "adaptive" else []
    return " ".join([LIMITS.format(intervals=intervals), *chosen, *sentences])


def _measure(name: str, mapping: RunsMapping) -> MeasureFacts:
    columns = mapping.metrics[name]
    return MeasureFacts(columns.column, better=columns.better, headline=True)


def _method_facts(label: str, mapping: RunsMapping, rows: list[TrialRow]) -> LossFacts:
    space, defaults = {}, {}
    for column in mapping.hyperparameters:
        name = column.removeprefix("hp.")
        values = [row.hyperparameters[name] for row in rows if name in row.hyperparameters]
        if values:
            defaults[name] = mapping.default(column, label)
            space[name] = _parameter(name, defaults[name], values)
    return LossFacts(label, {}, defaults, space)


def _parameter(name: str, default: Any, values: list[Any]) -> ParameterFacts:
    """A number over the range of its values, on a logarithmic axis where they lie far apart; else a choice."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        kind = "int" if all(isinstance(value, int) for value in values) else "float"
        return ParameterFacts(kind, default, name, "the runs", low, high, log=low > 0 and high / low >= LOG_RATIO)
    return ParameterFacts("choice", default, name, "the runs", options=tuple(dict.fromkeys(values)))
