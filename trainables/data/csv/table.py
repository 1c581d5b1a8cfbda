"""A table in memory, whatever container it came from: cells are texts, structure in a cell is JSON."""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evenkeel.trainables.data.image_archives import Archive
from evenkeel.trainables.errors import TrainableError, nearest

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
"""In the order in which they are tried; `space` is any run of blanks."""

BLANKS = {"", "nan", "na", "n/a", "<na>", "nat", "null", "none"}


@dataclass(frozen=True)
class Table:
    """Cells without blanks around them, row by row, each row as long as `columns`; `lines` say where a row began.

    `unit` is what `lines` count: lines of a text, rows or records of other containers. `encoding` is the one that was
    named, if as UTF-8 the file would read differently. `pictures` are the columns whose cells name
    images that lie in the container itself.
    """

    path: Path
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]
    container: str
    num_headers: int = 0
    encoding: str | None = None
    unit: str = "line"
    pictures: Mapping[str, Archive] = field(default_factory=dict)

    def column(self, name: str, key: str, remark: str = "") -> list[str]:
        """The cells of one column, or what `column.a.b` finds inside its cells of JSON.

        Raises TrainableError, blaming `key`, when the column is not there or there twice.
        """
        positions = [i for i, column in enumerate(self.columns) if column == name]
        if not positions and (head := self._column_with_structure(name)):
            return self._inside(head, name[len(head) + 1 :].split("."), key)
        if not positions:
            raise TrainableError(f"data.{key}: {self.path} has no column {name!r}{remark}; {self._hint(name, remark)}")
        if len(positions) > 1:
            places = " and ".join(str(i + 1) for i in positions)
            raise TrainableError(
                f"data.{key}: {self.path} has {len(positions)} columns {name!r} (columns {places}); give each its own "
                "name"
            )
        return [row[positions[0]] for row in self.rows]

    def has(self, name: str) -> bool:
        """Whether `column` finds that name."""
        return name in self.columns or self._column_with_structure(name) is not None

    def line(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.path.name} {self.unit} {self.lines[row]}"

    def joined(self, columns: list[str], cells: list[list[str]]) -> "Table":
        """The table with more columns; `cells` are theirs, row by row."""
        rows = [[*row, *more] for row, more in zip(self.rows, cells, strict=True)]
        return replace(self, columns=[*self.columns, *columns], rows=rows)

    def take(self, numbers: Iterable[int]) -> "Table":
        """Some of the rows, by their numbers."""
        kept = list(numbers)
        return replace(self, rows=[self.rows[i] for i in kept], lines=[self.lines[i] for i in kept])

    def row_an_item(self, column: str) -> "Table":
        """The table with a row for each item of the lists in a column: `{"cat": ["im0.png", "im1.png"]}`."""
        if column not in self.columns or column in self.pictures:
            return self
        place = self.columns.index(column)
        lists = [structure(row[place]) if row[place].startswith("[") else None for row in self.rows]
        if not any(isinstance(items, list) for items in lists):
            return self
        rows = [
            ([*row[:place], str(item), *row[place + 1 :]], line)
            for row, items, line in zip(self.rows, lists, self.lines, strict=True)
            for item in (items if isinstance(items, list) else [row[place]])
        ]
        return replace(self, rows=[row for row, _ in rows], lines=[line for _, line in rows])

    def _inside(self, head: str, path: list[str], key: str) -> list[str]:
        """What a path of keys finds in each cell: a text, or a list of all that it finds, as JSON."""
        cells = [row[self.columns.index(head)] for row in self.rows]
        values = {cell: structure(cell) for cell in set(cells)}
        plain = [
            row for row, cell in enumerate(cells) if not is_blank(cell) and not isinstance(values[cell], dict | list)
        ]
        if plain:
            raise TrainableError(
                f"data.{key}: {self.path} has {len(plain):,} cells in {head!r} without structure, in which "
                f"{'.'.join(path)!r} could be looked up (first in {self.line(plain[0])}: {cells[plain[0]]!r}); give "
                f"data.{key}: {head}, or write all in one way"
            )
        return [_leaves(values[cell], path) for cell in cells]

    def _column_with_structure(self, name: str) -> str | None:
        heads = [name[:i] for i, sign in enumerate(name) if sign == "." and name[:i] in self.columns]
        return heads[-1] if heads else None

    def _hint(self, name: str, remark: str) -> str:
        hint = nearest(name, filter(None, self.columns))
        if len(self.columns) == 1 and not remark and self.unit == "line":
            hint += f"; the whole line is one column: give data.delimiter ({', '.join(DELIMITERS)})"
        return hint


def is_blank(cell: str) -> bool:
    """Whether a cell says nothing, as spreadsheets and pandas write it."""
    return cell.lower() in BLANKS


def found_by(pattern: str | None, cells: list[str], key: str, lines: list[str]) -> list[str]:
    """What a regular expression finds in each cell (its first group, if it has one); blank cells stay blank.

    Without a pattern the cells themselves. Raises TrainableError, blaming `key`, for a cell in which it finds nothing.
    """
    if pattern is None:
        return cells
    compiled = re.compile(pattern)
    matches = [compiled.search(cell) for cell in cells]
    for match, cell, line in zip(matches, cells, lines, strict=True):
        if not match and not is_blank(cell):
            raise TrainableError(f"data.{key}: {pattern!r} finds nothing in {cell!r} ({line}); correct the pattern")
    return [match[1 if compiled.groups else 0] if match else "" for match in matches]


def cell_of(value: Any) -> str:
    """A value of a container with types as a cell: whole numbers without a point, structure as JSON, None as blank."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def structure(cell: str) -> Any:
    """What a cell of JSON (also of JSON in a text of JSON) or of a Python literal holds, None for another."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return structure(value) if isinstance(value, str) and value[:1] in ("[", "{") else value
    return None


def _leaves(value: Any, path: list[str]) -> str:
    values = _gathered(value, path)
    several = isinstance(values, list)
    return cell_of([v if isinstance(v, str) else cell_of(v) for v in values] if several else values)


def _gathered(value: Any, path: list[str]) -> Any:
    """What lies at the end of a path; lists on the way are gone through, and give one list."""
    if isinstance(value, list):
        items = [_gathered(item, path) for item in value]
        return [leaf for item in items for leaf in (item if isinstance(item, list) else [item]) if leaf is not None]
    if not path or not isinstance(value, dict):
        return None if path else value
    num = next((n for n in range(len(path), 0, -1) if ".".join(path[:n]) in value), 0)  # a key may have points itself
    return _gathered(value[".".join(path[:num])], path[num:]) if num else None
