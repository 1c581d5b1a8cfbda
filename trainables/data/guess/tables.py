"""Which of several tables hold the labels, and what the others are: splits, lists of ids, names of classes."""

import re
from dataclasses import dataclass
from typing import Any

from evenkeel.trainables.data.csv.dialects import Dialect
from evenkeel.trainables.data.csv.settings import CLASS_MARK
from evenkeel.trainables.data.csv.splitting import SPLIT_NAMES
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.csv.tables import read_table
from evenkeel.trainables.data.guess import columns as meaning
from evenkeel.trainables.data.guess.contents import Contents, split_of
from evenkeel.trainables.data.image_set import SPLITS

CLASS_FILES = ("data.yaml", "data.yml", "classes.txt", "labels.txt", "obj.names")
"""Files in which label tools list the names of classes."""
NO_TEST = "no test images are named: those of validation are tested on, validation is carved from train"
MAX_COLUMNS_OF_CLASSES = 5
"""A table with more columns lists images rather than classes."""


@dataclass(frozen=True)
class MainTables:
    """Table name -> tables of one header; `cells` are their columns, one table after the other.

    `columns` are names for tables without a header line.
    """

    tables: dict[str, list[Table]]
    image_column: str
    cells: dict[str, list[str]]
    image_name: str | None = None
    columns: list[str] | None = None
    doubt: str | None = None

    @property
    def pictures(self) -> bool:
        """Whether the tables hold the images themselves."""
        return all(self.image_column in table.pictures for tables in self.tables.values() for table in tables)

    def splits_of(self, keys: dict[str, Any]) -> set[str]:
        """The splits that the cells of the split column name by themselves."""
        cells = self.cells.get(str(keys.get("split_column")), [])
        return {SPLITS[SPLIT_NAMES[cell.lower()]] for cell in set(cells) if cell.lower() in SPLIT_NAMES}


def main_tables(contents: Contents) -> MainTables | None:
    """The tables that hold labels; None where no table names an image."""
    candidates = []
    for table in contents.tables:
        columns = _names_without_header(table, contents)
        read = _reread(table, columns) if columns else table
        image, name = meaning.image_column(read, contents), None
        if image is None and (id_and_name := meaning.image_name(read, contents)):
            image, name = id_and_name
        if image is not None and len(read.columns) > 1:
            candidates.append((read, image, name, columns))
    if not candidates:
        return None
    best, image, name, columns = max(candidates, key=lambda candidate: _rank(candidate[0], candidate[1]))
    alike = [table for table, *_ in candidates if table.columns == best.columns]
    tables, doubt = _by_split(alike, best)
    flat = [table for several in tables.values() for table in several]
    each = [meaning.cells_of(table) for table in flat]
    cells = {name: [cell for own in each for cell in own[name]] for name in each[0] if all(name in own for own in each)}
    return MainTables(tables, image, cells, name, columns, doubt)


def _rank(table: Table, image: str) -> tuple[int, int]:
    """How much a table looks like one of labels."""
    columns = {name: cells for name, cells in meaning.cells_of(table).items() if name != image}
    named = meaning.label_column(columns)
    return len(meaning.class_columns(columns)) + (2 if named and named[1] else 1 if named else 0), len(table.rows)


def _by_split(alike: list[Table], best: Table) -> tuple[dict[str, list[Table]], str | None]:
    by_split: dict[str, list[Table]] = {}
    for table in alike:
        by_split.setdefault(split_of(table.path.stem) or split_of(table.path.parent.name) or "all", []).append(table)
    by_split.pop("all", None)
    if {"train", "test"} <= by_split.keys():
        return by_split, None
    if {"train", "val"} <= by_split.keys():
        return {"train": by_split["train"], "test": by_split["val"]}, NO_TEST
    return {"all": [best]}, None


def _names_without_header(table: Table, contents: Contents) -> list[str] | None:
    """Names for the columns of a table whose first line is a row already."""
    first = table.columns[0].split() if len(table.columns) == 1 else table.columns
    places = [i for i, cell in enumerate(first) if len(cell) > 2 and contents.holds(cell)]
    if not places or table.pictures or table.unit != "line":
        return None
    return ["image" if i == places[0] else f"class {i}" for i in range(len(first))]


def _reread(table: Table, columns: list[str]) -> Table:
    return read_table(table.path, "tables", Dialect(columns=tuple(columns)), columns)


def labels_beside(contents: Contents, main: MainTables) -> tuple[dict[str, Any], dict[str, list[str]]] | None:
    """A table of labels that shares columns with the main one, as `join` names it, and its other columns."""
    for table in contents.tables:
        cells = meaning.cells_of(table)
        shared = [name for name in cells if name in main.cells and name != main.image_column]
        own = {name: column for name, column in cells.items() if name not in shared}
        if shared and (len(meaning.class_columns(own)) > 1 or meaning.label_column(own)):
            return {"file": contents.name(table.path), "by": shared, "without_partner": "skip"}, own
    return None


def class_lists(contents: Contents) -> dict[str, str]:
    """Split -> name with `{class}`, where each class has a list of its own (`cat_train.txt`); of train and another."""
    classes: dict[tuple[str, str], set[str]] = {}
    for table in contents.tables:
        match = re.fullmatch(r"(.+)_(train|val|test)(\.\w+)", table.path.name)
        if match and table.unit == "line" and _names_without_header(table, contents):
            place = contents.name(table.path.parent)
            classes.setdefault((match[2], f"{place}/{CLASS_MARK}_{match[2]}{match[3]}"), set()).add(match[1])
    lists = {split: name for (split, name), names in classes.items() if len(names) > 1}
    return lists if len(lists) > 1 and "train" in lists else {}


def split_table(contents: Contents, main: MainTables) -> tuple[dict[str, str], dict[str, str]] | None:
    """A table beside that says the split of each image, and what its cells mean."""
    used = {table.path for tables in main.tables.values() for table in tables}
    for table in contents.tables:
        image = None if table.path in used else meaning.image_column(table, contents)
        columns = {name: cells for name, cells in meaning.cells_of(table).items() if name != image}
        column_and_values = meaning.split_column(columns) if image else None
        if image and column_and_values:
            return {
                "file": contents.name(table.path),
                "image": image,
                "split": column_and_values[0],
            }, column_and_values[1]
    return None


def id_lists(contents: Contents, main: MainTables) -> dict[str, str]:
    """Split -> list of image ids, a line each, by the names of the lists; empty without one of test."""
    used = {table.path for tables in main.tables.values() for table in tables}
    lists = {}
    for table in contents.tables:
        split = split_of(table.path.stem)
        if split and table.path not in used and len(table.columns) == 1 and contents.holds(table.columns[0]):
            lists[split] = contents.name(table.path)
    return lists if "test" in lists else {}


def class_table(contents: Contents, labels: set[str]) -> dict[str, str] | None:
    """A table that has a name for each label; also the files in which label tools list the classes."""
    if labels and all(label.isdigit() for label in labels):
        for name in CLASS_FILES:
            if (contents.root / name).is_file():
                return {"file": name}
    for table in contents.tables:
        columns = meaning.cells_of(table)
        unique = [name for name, cells in columns.items() if len(set(cells)) == len(cells)]
        keys = [name for name in unique if labels and labels <= set(columns[name])]
        names = [name for name in unique if name not in keys[:1]]
        if keys and names and len(columns) <= MAX_COLUMNS_OF_CLASSES:
            return {"file": contents.name(table.path), "label": keys[0], "name": names[0]}
    return None
