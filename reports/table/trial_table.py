"""The trial table: one row a trial. The only input of every section; its columns are declared here and nowhere else.

What holds for the study as a whole hangs on the table: `facts_of(table)`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.facts import MAX_NUMBER, StudyFacts

DONE, DIVERGED, FAILED, CENSORED = STATES = ("done", "diverged", "failed", "censored")
IMAGES, CLASSES = "images.", "classes."
"""Columns of arrays: a score without each group of test images, and that of each class."""
MOST_NAMED = 5
SWEEP, PAIR, SOBOL, SEARCH, CONFIRM = DESIGNS = ("sweep", "pair", "sobol", "search", "confirm")


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One trial. The scalar fields are the identity columns of the table, in this order.

    `hyperparameters` become columns `hp.<name>` (object), `metrics` columns `<split>_<measure>[_<part>]` (float64);
    None or a missing key is NaN. `images` are metrics without each of G groups of test images, `classes` metrics of
    each of C classes: columns `images.<split>_<measure>` (arrays [G] of float32, since they are many) and
    `classes.<split>_<measure>` (arrays [C]) where any row has them. `loss` is the label, `loss_name` the loss behind.
    `moved` is the hyperparameter that a sweep trial moved, of a pair both (`a, b`), None at the default and in other
    designs; `proposal` numbers what a search proposed, in the order asked, None elsewhere and where not recorded.
    `machine` is the kind of machine it ran on, `shared` the hash of the features or weights that it started from; both
    empty where not recorded.
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


ROWS_AT_ONCE = 2000
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
    """R rows by column: `identity` the columns of IDENTITY, `settings` the hyperparameters of each (rows may share one
    dictionary), `metrics` [R] by name, `arrays` (`images.NAME`, `classes.NAME`) one or None a row."""

    identity: Mapping[str, Sequence[Any]]
    settings: Sequence[dict[str, Any]]
    metrics: Mapping[str, np.ndarray]
    arrays: Mapping[str, Sequence[np.ndarray | None]]

    @classmethod
    def of(cls, rows: Sequence[TrialRow]) -> Self:
        """The rows of some trials."""
        names = dict.fromkeys(name for row in rows for name in row.metrics)
        return cls(
            {name: [getattr(row, name) for row in rows] for name in IDENTITY},
            [row.hyperparameters for row in rows],
            {name: np.array([row.metrics.get(name) for row in rows], dtype=float) for name in names},
            _arrays(rows),
        )


def _arrays(rows: Sequence[TrialRow]) -> dict[str, list[np.ndarray | None]]:
    arrays: dict[str, list[np.ndarray | None]] = {}
    for i, row in enumerate(rows):
        for prefix, recorded in ((IMAGES, row.images), (CLASSES, row.classes)):
            for name, values in recorded.items():
                column = arrays.setdefault(f"{prefix}{name}", [None] * len(rows))
                with np.errstate(over="ignore"):  # infinite, and so not known
                    column[i] = np.asarray(values, dtype=np.float32 if prefix == IMAGES else float)
    return arrays


def trial_table(rows: Iterable[TrialRow | TrialRows], study: StudyFacts, files: Files | None = None) -> pd.DataFrame:
    """The table of `rows`, sorted by trial id; of a trial that comes twice, the first.

    Raises ValueError for an unknown state, design or metric: it would silently be left out of every statistic.
    """
    declared = metric_columns(study)
    gathered = _Gathered({name: [] for name in IDENTITY}, [], {name: [] for name in declared}, {})
    for part in _parts(iter(rows)):
        _gather(gathered, part, study)
    table = pd.DataFrame(_columns(gathered, study))
    table.attrs = {"study": study, "files": files or Files()}
    return table


def _parts(rows: Iterator[TrialRow | TrialRows]) -> Iterator[TrialRows]:
    """Rows of single trials come together, a few at a time: all of them would not fit."""
    while some := list(islice(rows, ROWS_AT_ONCE)):
        single = [row for row in some if isinstance(row, TrialRow)]
        yield from (part for part in some if isinstance(part, TrialRows))
        if single:
            yield TrialRows.of(single)


class _Gathered(NamedTuple):
    """What a table keeps of its rows, part by part."""

    identity: dict[str, list[Any]]
    settings: list[dict[str, Any]]
    metrics: dict[str, list[np.ndarray]]
    arrays: dict[str, list[np.ndarray | None]]


def _gather(gathered: _Gathered, part: TrialRows, study: StudyFacts) -> None:
    start, num = len(gathered.settings), len(part.settings)
    _check(part, gathered.metrics)
    for name, cells in part.identity.items():
        gathered.identity[name] += _all_moved(part, study) if name == "moved" else cells
    gathered.settings.extend(part.settings)
    nothing = np.full(num, np.nan)
    for name, values in gathered.metrics.items():
        values.append(_bounded(part.metrics.get(name, nothing)))
    for name in part.arrays:
        gathered.arrays.setdefault(name, [None] * start)
    for name, arrays in gathered.arrays.items():
        arrays += _fitting(name, part.arrays.get(name) or [None] * num, len(study.data.classes))


def _fitting(name: str, arrays: Sequence[np.ndarray | None], num_classes: int) -> Sequence[np.ndarray | None]:
    """The arrays [G] or [C] without those that are not of this study's classes, and without numbers out of bounds."""
    if name.startswith(CLASSES):
        arrays = [values if values is None or len(values) == num_classes else None for values in arrays]
    present = [values for values in arrays if values is not None and len(values)]
    if not present or not _are_large(np.concatenate(present)).any():
        return arrays
    return [None if values is None else _bounded(values) for values in arrays]


def _are_large(values_N: np.ndarray) -> np.ndarray:
    """Which numbers [N] no statistic can square, [N]: they count as not known; in single precision infinite ones."""
    return np.abs(values_N) > min(MAX_NUMBER, float(np.finfo(values_N.dtype).max))


def _bounded(values_N: np.ndarray) -> np.ndarray:
    """Numbers [N] with NaN for those that are large."""
    return np.where(_are_large(values_N), np.nan, values_N).astype(values_N.dtype)


def _columns(gathered: _Gathered, study: StudyFacts) -> dict[str, Any]:
    """The columns, by trial id; what was gathered goes with each, since both together would not fit."""
    identity, settings, metrics, arrays = gathered
    _, order = np.unique(np.array(identity["trial_id"], dtype=object), return_index=True)
    columns: dict[str, Any] = {
        name: pd.Series(_objects(identity.pop(name))[order], dtype=kind) for name, kind in IDENTITY.items()
    }
    columns |= _hyperparameters(columns["loss"].tolist(), _objects(settings)[order], study)
    columns |= {name: np.concatenate([*metrics.pop(name), []])[order] for name in list(metrics)}
    return columns | {
        name: pd.Series(_objects(_of_one_length(arrays.pop(name)))[order], dtype=object) for name in sorted(arrays)
    }


def _of_one_length(arrays: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """The arrays [G] of the length that most have: what is compared is of the same images, or of the same classes."""
    lengths = Counter(len(values) for values in arrays if values is not None)
    if len(lengths) < 2:
        return arrays
    ((usual, _),) = lengths.most_common(1)
    return [values if values is not None and len(values) == usual else None for values in arrays]


def _objects(cells: list[Any]) -> np.ndarray:
    """An array of objects [N], whatever they hold."""
    array = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        array[i] = cell
    return array


def _hyperparameters(losses: list[str], settings: np.ndarray, study: StudyFacts) -> dict[str, Any]:
    """Columns `hp.NAME`, from the label and the setting [N] of each row; each distinct pair is looked at once."""
    defaults = {label: {name: facts.defaults[name] for name in facts.space} for label, facts in study.losses.items()}
    numbers: dict[tuple[str, int], int] = {}
    keys = zip(losses, map(id, settings), strict=True)
    numbers_N = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=int)
    _, first = np.unique(numbers_N, return_index=True)
    whole = [defaults.get(losses[i], {}) | settings[i] for i in first]
    for i, own in zip(first, whole, strict=True):
        if nested := next((name for name in defaults.get(losses[i], ()) if isinstance(own[name], list | dict)), None):
            raise ValueError(
                f"hyperparameter {nested} of a trial is {own[nested]!r:.60}, not a number, a text or a truth"
            )
    names = sorted({name for loss in defaults.values() for name in loss}.union(*whole))
    return {f"hp.{name}": pd.Series(_objects([own.get(name) for own in whole])[numbers_N]) for name in names}


def _check(part: TrialRows, declared: Mapping[str, Any]) -> None:
    identity = part.identity
    for trial, state, design in zip(identity["trial_id"], identity["state"], identity["design"], strict=True):
        if state not in STATES or design not in DESIGNS:
            raise ValueError(f"trial {trial}: unknown state {state!r} or design {design!r}")
    if undeclared := sorted(part.metrics.keys() - declared):
        first = int(np.isfinite(part.metrics[undeclared[0]]).argmax())
        raise ValueError(_undeclared(identity["trial_id"][first], undeclared))


def _all_moved(part: TrialRows, study: StudyFacts) -> list[str | None]:
    """What each trial moved, also where its record does not say."""
    identity = part.identity
    rows = zip(
        identity["moved"], identity["design"], identity["trial_id"], identity["loss"], part.settings, strict=True
    )
    return [
        _moved(trial, loss, setting, study) if design == SWEEP and moved is None else moved
        for moved, design, trial, loss, setting in rows
    ]


def _undeclared(trial_id: str, names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return (
        f"trial {trial_id}: undeclared metric {', '.join(names[:MOST_NAMED])}{more}; a measure declares its columns, "
        "and the study's facts list every measure"
    )


def _moved(trial: str, label: str, setting: dict[str, Any], study: StudyFacts) -> str | None:
    """What a sweep trial moved, where its record does not say: it is at the default, or older than 0.3.0."""
    loss = study.losses.get(label)
    whole = loss.defaults | setting if loss else {}  # a trial names the settings in which it departs alone
    differing = [name for name in loss.space if whole[name] != loss.defaults[name]] if loss else []
    if len(differing) > 1:
        raise ValueError(f"trial {trial}: a sweep trial that moved {', '.join(differing)} at once")
    return differing[0] if differing else None
