"""What a column of a table seems to hold, by its name and its cells."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from evenkeel.trainables.data.csv.labels import BLANK, NEGATIVE, POSITIVE, UNCERTAIN, meaning_of
from evenkeel.trainables.data.csv.splitting import SPLIT_NAMES
from evenkeel.trainables.data.csv.table import Table, is_blank
from evenkeel.trainables.data.guess.contents import Contents, split_of

SPLIT_COLUMNS = re.compile(r"split|partition|subset|set|phase|usage|fold")
NUMBERED = {("0", "1"): {"0": "train", "1": "test"}, ("0", "1", "2"): {"0": "train", "1": "val", "2": "test"}}
"""What numbers of splits mostly mean."""
GROUP_COLUMNS = re.compile(r"(patient|subject|lesion|person|participant|case|animal|family)[ _]?(id|no|number)?|id|pid")
LABEL_COLUMNS = re.compile(
    r"(image[ _]?)?(labels?|class(es)?|categor(y|ies)|targets?|tags?)([ _]?names?)?|diagnosis|dx|finding[ _]labels|"
    r"findings?|genres?|species|breed|level|grade|labelname|class_id|choices|y"
)
NO_CLASSES = re.compile(
    r"sex|gender|male|female|age|flag|is_.*|view.*|index|unnamed.*|follow.*|width|height|confidence"
)
NUM_TRIED = 50
"""So many cells of a column are looked for among the images."""
HITS = 0.3
"""The share of them that must be images."""
MAX_CLASSES, MAX_LENGTH = 1000, 500
"""More labels than that are none; a longer cell is no file name."""


def cells_of(table: Table) -> dict[str, list[str]]:
    """Column -> cells, of columns whose name is there once, and of what lies inside cells of JSON by its path."""
    single = {name: table.column(name, "tables") for name in table.columns if name and table.columns.count(name) == 1}
    nested = {name: cells for name, cells in single.items() if cells and cells[0][:2] in ('{"', "[{")}
    paths = [path for name, cells in nested.items() for path in _paths(name, cells)]
    return single | {path: table.column(path, "tables") for path in paths}


def _paths(name: str, cells: list[str]) -> list[str]:
    """The paths of texts, numbers and lists of them in the first cell of JSON: `data.image`."""
    try:
        return [f"{name}.{path}" for path in dict.fromkeys(_leaves(json.loads(cells[0])))]
    except ValueError:
        return []


def _leaves(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        for key, inner in item.items() if isinstance(item, dict) else ():
            inside = list(_leaves(inner)) if isinstance(inner, dict | list) else []
            yield from (f"{key}.{path}" for path in inside) if inside else (key,)


def image_column(table: Table, contents: Contents) -> str | None:
    """The column whose cells name images that are there, or pictures in the table itself; None without one."""
    if table.pictures:
        return next(iter(table.pictures))
    for loosely in (False, True):
        hits = {name: _hits(cells, contents, loosely) for name, cells in cells_of(table).items()}
        if hits and max(hits.values()) >= HITS:
            return max(hits, key=lambda name: hits[name])
    return None


def _hits(cells: list[str], contents: Contents, loosely: bool) -> float:
    distinct = list(dict.fromkeys(cell for cell in cells if cell and len(cell) < MAX_LENGTH))
    tried = distinct[:: max(1, len(distinct) // NUM_TRIED)][:NUM_TRIED]
    if loosely and len(distinct) < len(cells) / 2:  # numbers that repeat are labels rather than ids
        return 0.0
    return sum(contents.holds(cell, loosely=loosely) for cell in tried) / max(1, len(tried))


def image_name(table: Table, contents: Contents) -> tuple[str, str] | None:
    """A column of ids and the pattern that makes file names of them, as `{}_green.png`; None without one."""
    bases = sorted({name.rpartition("/")[2] for name in contents.image_names})
    for name, cells in cells_of(table).items():
        endings = {base[len(cells[0]) :] for base in bases if len(cells[0]) > 1 and base.startswith(cells[0])}
        for ending in sorted(endings):
            if len(set(cells)) > len(cells) / 2 and contents.holds(cells[-1] + ending):
                return name, "{}" + ending
    return None


def split_column(columns: dict[str, list[str]]) -> tuple[str, dict[str, str]] | None:
    """The column that says the split, and what its cells mean where that is not plain; None without one."""
    for name, cells in columns.items():
        distinct = sorted(set(cells))
        if 2 <= len(distinct) <= 12 and all(split_of(cell) or cell.isdigit() for cell in distinct):
            plain = all(cell.lower() in SPLIT_NAMES for cell in distinct)
            if plain or all(split_of(cell) for cell in distinct):
                return name, {} if plain else {cell: split_of(cell) or "" for cell in distinct}
            if SPLIT_COLUMNS.fullmatch(bare(name)) and tuple(distinct) in NUMBERED:
                return name, NUMBERED[tuple(distinct)]
    return None


def group_column(columns: dict[str, list[str]]) -> str | None:
    """The column that names a patient or the like, of which several images are there."""
    for name, cells in columns.items():
        if GROUP_COLUMNS.fullmatch(bare(name)) and 1 < len(set(cells)) < len(cells):
            return name
    return None


def class_columns(columns: dict[str, list[str]]) -> list[str]:
    """The columns of 0 and 1 (also of -1 and blanks) that may be classes."""
    return [name for name in binary_columns(columns) if not NO_CLASSES.fullmatch(bare(name))]


def binary_columns(columns: dict[str, list[str]]) -> list[str]:
    """The columns of 0 and 1, also of -1 and blanks."""
    names = []
    for name, cells in columns.items():
        codes = {meaning_of(cell) for cell in set(cells)}
        if POSITIVE in codes and len(codes) > 1 and codes <= {POSITIVE, NEGATIVE, BLANK, UNCERTAIN}:
            names.append(name)
    return names


def label_column(columns: dict[str, list[str]]) -> tuple[str, bool] | None:
    """The column of labels, and whether its name says so; None without one that could be."""
    named = [name for name in columns if LABEL_COLUMNS.fullmatch(bare(name).rpartition(".")[2])]
    if named:
        return named[0], True
    numbers = {name: len({cell for cell in cells if not is_blank(cell)}) for name, cells in columns.items()}
    likely = [name for name, num in numbers.items() if 2 <= num <= min(MAX_CLASSES, len(columns[name]) / 2)]
    likely = [name for name in likely if not NO_CLASSES.fullmatch(bare(name))]
    return (min(likely, key=lambda name: (_is_number(columns[name]), numbers[name])), False) if likely else None


def bare(name: str) -> str:
    """A column's name in lower case."""
    return name.strip().lower()


def _is_number(cells: Sequence[str]) -> bool:
    return all(cell.replace(".", "", 1).lstrip("-").isdigit() for cell in cells if cell)
