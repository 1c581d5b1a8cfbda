"""The trial table: one row a trial. The only input of every section; its columns are declared here and nowhere else.

What holds for the study as a whole hangs on the table: `facts_of(table)`.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.facts import StudyFacts

DONE, DIVERGED, FAILED, CENSORED = STATES = ("done", "diverged", "failed", "censored")
IMAGES, CLASSES = "images.", "classes."
"""Columns of arrays: a score without each group of test images, and that of each class."""
SWEEP, PAIR, SOBOL, SEARCH, CONFIRM = DESIGNS = ("sweep", "pair", "sobol", "search", "confirm")


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial. The scalar fields are the identity columns of the table, in this order.

    `hyperparameters` become columns `hp.<name>` (object), `metrics` columns `<split>_<measure>[_<part>]` (float64);
    None or a missing key is NaN. `images` are metrics without each of G groups of test images, `classes` metrics of
    each of C classes: columns `images.<split>_<measure>` and `classes.<split>_<measure>` (arrays [G], [C]) where any
    row has them. `loss` is the label, `loss_name` the loss behind it. `moved` is the hyperparameter that a sweep trial
    moved, of a pair both (`a, b`), None at the default and in other designs; `proposal` numbers what a search proposed,
    in the order asked, None elsewhere and where not recorded. `machine` is the kind of machine it ran on, `shared` the
    hash of the features or weights that it started from; both empty where not recorded.
    """

    trial_id: str
    loss: str
    loss_name: str
    design: str
    seed: int
    group: int | None = None
    moved: str | None = None
    proposal: int | None = None
    state: str
    wall_s: float = 0.0
    epochs_done: int = 0
    host: str = ""
    note: str = ""
    versions: str = ""
    loss_path: str = ""
    machine: str = ""
    shared: str = ""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    images: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    classes: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


TYPES = {str: "str", int: "int64", float: "float64", int | None: "Int64", str | None: "object"}
IDENTITY = {column.name: TYPES[column.type] for column in fields(TrialRow) if column.type in TYPES}  # type: ignore[index]
"""Column -> type."""


def _nothing(trial_id: str, name: str) -> bytes:
    """What a table without files reads; by name, so that the table can be pickled."""
    return b""


@dataclass(frozen=True)
class Files:
    """Files that lie beside records: their names by trial id; `read(trial_id, name)` raises OSError for a lost one."""

    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    read: Callable[[str, str], bytes] = _nothing

    def __deepcopy__(self, memo: object) -> "Files":
        """As with facts: pandas copies what hangs on a frame with every operation."""
        return self


def files_of(table: pd.DataFrame) -> Files:
    """The files beside the records of the table's trials; none for a frame that joins several tables."""
    return table.attrs.get("files") or Files()


def facts_of(table: pd.DataFrame) -> StudyFacts:
    """The facts of the study besides its trials."""
    return table.attrs["study"]


def with_facts(table: pd.DataFrame, study: StudyFacts) -> pd.DataFrame:
    """The same trials under other facts."""
    other = table.copy(deep=False)
    other.attrs = {"study": study, "files": files_of(table)}
    return other


def metric_columns(study: StudyFacts) -> list[str]:
    """All metric columns that the study declares, in order."""
    splits = dict.fromkeys(split for measure in study.measures.values() for split in measure.splits)
    return [
        f"{split}_{name}{suffix}"
        for split in splits
        for name, measure in study.measures.items()
        if split in measure.splits
        for suffix in ("", *(f"_{part}" for part in measure.parts))
    ]


class TrialRows(NamedTuple):
    """R rows that come together. Their numbers by name: `metrics` [R], `arrays` (`images.NAME`, `classes.NAME`) one or
    None a row; None where the rows hold them."""

    rows: Sequence[TrialRow]
    metrics: Mapping[str, np.ndarray] | None = None
    arrays: Mapping[str, Sequence[np.ndarray | None]] | None = None


def trial_table(
    rows: Iterable[TrialRow] | Iterable[TrialRows], study: StudyFacts, files: Files | None = None
) -> pd.DataFrame:
    """The table of `rows`, sorted by trial id; of a trial that comes twice, the first.

    Raises ValueError for an unknown state, design or metric: it would silently be left out of every statistic.
    """
    declared = metric_columns(study)
    gathered = _Gathered([], [], array("d"), {})
    for part in rows:
        _gather(gathered, part if isinstance(part, TrialRows) else TrialRows([part]), study, declared)
    table = pd.DataFrame(_columns(gathered, study, declared))
    table.attrs = {"study": study, "files": files or Files()}
    return table


class _Gathered(NamedTuple):
    """What a table keeps of its rows, which come a few at a time: all of them together would not fit."""

    identity: list[tuple[Any, ...]]
    settings: list[dict[str, Any]]
    metrics: "array[float]"
    arrays: dict[str, dict[int, np.ndarray]]


_of_row = attrgetter(*IDENTITY)


def _gather(gathered: _Gathered, part: TrialRows, study: StudyFacts, declared: list[str]) -> None:
    start, names = len(gathered.identity), set(declared)
    for row in part.rows:
        checked = _checked(row, study, names)
        gathered.identity.append(_of_row(checked))
        gathered.settings.append(checked.hyperparameters)
    gathered.metrics.frombytes(_metrics(part, declared).tobytes())
    for name, arrays in (_arrays(part.rows) if part.arrays is None else part.arrays).items():
        recorded = gathered.arrays.setdefault(name, {})
        recorded.update({start + i: values for i, values in enumerate(arrays) if values is not None})


def _metrics(part: TrialRows, declared: list[str]) -> np.ndarray:
    """Declared metrics of the rows, [R, M]; NaN where there is none."""
    if part.metrics is None:
        rows = [[row.metrics.get(name) for name in declared] for row in part.rows]
        return np.array(rows, dtype=float)
    if undeclared := sorted(part.metrics.keys() - set(declared)):
        raise ValueError(_undeclared(part.rows[0].trial_id, undeclared))
    nothing = np.full(len(part.rows), np.nan)
    return np.column_stack([part.metrics.get(name, nothing) for name in declared])


def _arrays(rows: Sequence[TrialRow]) -> dict[str, list[np.ndarray | None]]:
    arrays: dict[str, list[np.ndarray | None]] = {}
    for i, row in enumerate(rows):
        for prefix, recorded in ((IMAGES, row.images), (CLASSES, row.classes)):
            for name, values in recorded.items():
                column = arrays.setdefault(f"{prefix}{name}", [None] * len(rows))
                column[i] = np.asarray(values, dtype=float)
    return arrays


def _columns(gathered: _Gathered, study: StudyFacts, declared: list[str]) -> dict[str, Any]:
    first = {identity[0]: i for i, identity in reversed(list(enumerate(gathered.identity)))}  # by trial id
    order = [first[trial_id] for trial_id in sorted(first)]
    by_column = list(zip(*(gathered.identity[i] for i in order), strict=True)) or [()] * len(IDENTITY)
    columns: dict[str, Any] = {
        name: pd.Series(cells, dtype=kind) for cells, (name, kind) in zip(by_column, IDENTITY.items(), strict=True)
    }
    defaults = {label: {name: facts.defaults[name] for name in facts.space} for label, facts in study.losses.items()}
    settings = [(gathered.settings[i], defaults.get(loss, {})) for i, loss in zip(order, columns["loss"], strict=True)]
    for name in sorted({name for loss in defaults.values() for name in loss}.union(*gathered.settings)):
        columns[f"hp.{name}"] = pd.Series([own.get(name, loss.get(name)) for own, loss in settings], dtype=object)
    metrics = np.frombuffer(gathered.metrics).reshape(len(gathered.identity), len(declared))[order]
    columns |= {name: metrics[:, i] for i, name in enumerate(declared)}
    for name, arrays in sorted(gathered.arrays.items()):
        columns[name] = pd.Series([arrays.get(i) for i in order], dtype=object)
    return columns


def _checked(row: TrialRow, study: StudyFacts, declared: set[str]) -> TrialRow:
    if row.state not in STATES or row.design not in DESIGNS:
        raise ValueError(f"trial {row.trial_id}: unknown state {row.state!r} or design {row.design!r}")
    if undeclared := sorted(row.metrics.keys() - declared):
        raise ValueError(_undeclared(row.trial_id, undeclared))
    return replace(row, moved=_moved(row, study)) if row.design == SWEEP and row.moved is None else row


def _undeclared(trial_id: str, names: list[str]) -> str:
    return (
        f"trial {trial_id}: undeclared metric {', '.join(names)}; a measure declares its columns, and "
        "the study's facts list every measure"
    )


def _moved(row: TrialRow, study: StudyFacts) -> str | None:
    """What a sweep trial moved, where its record does not say: it is at the default, or older than 0.3.0."""
    loss = study.losses.get(row.loss)
    setting = (
        loss.defaults | row.hyperparameters if loss else {}
    )  # a trial names the settings in which it departs alone
    differing = [name for name in loss.space if setting[name] != loss.defaults[name]] if loss else []
    if len(differing) > 1:
        raise ValueError(f"trial {row.trial_id}: a sweep trial that moved {', '.join(differing)} at once")
    return differing[0] if differing else None
