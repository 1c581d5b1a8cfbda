"""The rows of a csv data set, before any image is decoded: read, resolved to files, merged, split."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.trainables.data.csv.dialects import Dialect, Table, counted, read_table, shown
from evenkeel.trainables.data.csv.labels import Labels, from_columns, from_lists, label_lists
from evenkeel.trainables.data.csv.splitting import (
    LEFT_OUT,
    groups_of,
    official,
    split_names,
    with_single_groups,
    with_test,
)
from evenkeel.trainables.data.image_lookup import ImageFile, Place, is_image, place_of
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError, nearest

if TYPE_CHECKING:
    from evenkeel.trainables.data.csv.columns import AllBut
    from evenkeel.trainables.data.csv.data_set import CsvTable
FOLDER = "folder"
"""The column, where there are no tables, that holds the name of an image's folder."""


@dataclass(frozen=True)
class Listing:
    """All rows of all tables in order: table, image id, file (or why there is none)."""

    tables: dict[str, Table]
    parts: list[str]
    where: list[str]
    ids: list[str]
    split_cells: list[str]
    """As written; none without a split column."""
    files: list[ImageFile | str]


@dataclass(frozen=True)
class Rows:
    """One row an image: id, file (or why there is none), labels [N, C], split [N], group [N], what looked odd."""

    ids: list[str]
    files: list[ImageFile | str]
    labels: Labels
    split: np.ndarray
    group: np.ndarray | None
    odd: list[Oddity]

    def take(self, at: np.ndarray) -> "Rows":
        """Some of the rows, in the given order."""
        known = self.labels.known
        labels = replace(self.labels, targets=self.labels.targets[at], known=None if known is None else known[at])
        ids, files = [self.ids[i] for i in at], [self.files[i] for i in at]
        group = None if self.group is None else self.group[at]
        return replace(self, ids=ids, files=files, labels=labels, split=self.split[at], group=group)


def list_images(data: "CsvTable") -> Listing:
    """Read the tables and find every row's image. Raises TrainableError for a table that cannot be read rightly."""
    tables = {part: _table(data, path) for part, path in data.table_paths().items()}
    places = {part: [place_of(path, "images") for path in paths] for part, paths in data.image_paths().items()}
    tables = tables or {part: _table_of(data, inside) for part, inside in places.items()}
    parts = [part for part, table in tables.items() for _ in table.rows]
    where = [f"{table.path.name} line {line}" for table in tables.values() for line in table.lines]
    ids = [name for part, table in tables.items() for name in _ids(data, table)]
    column = data.split_column
    cells = [cell for table in tables.values() for cell in table.column(column, "split_column")] if column else []
    splits = split_names(data, cells)
    files = []
    for row, (part, name) in enumerate(zip(parts, ids, strict=True)):
        own = places.get(part) or (places.get(splits[row]) if splits else None)
        files.append(_found(own or [place for inside in places.values() for place in inside], name))
    return Listing(tables, parts, where, ids, cells, files)


def read_rows(data: "CsvTable", listing: Listing) -> Rows:
    """Labels, groups and splits of the rows, repeats merged, test rows carved. Raises TrainableError."""
    labels = _labels(data, listing)
    split, odd = official(data, listing)
    group = groups_of(data, listing)
    rows = Rows(listing.ids, listing.files, labels, split, group, [*labels.odd, *odd, *_table_oddities(listing)])
    kept = np.flatnonzero(split != LEFT_OUT)
    rows = _merged(rows.take(kept), [listing.where[row] for row in kept], row_per_label=data.row_per == "label")
    rows = with_single_groups(data, _min_positives(data, rows))
    return with_test(data, rows) if data.test_fraction else rows


def _table(data: "CsvTable", path: Path) -> Table:
    dialect = Dialect(data.delimiter, data.encoding, tuple(data.columns) if data.columns else None)
    return read_table(path, "tables", dialect, data.named_columns())


def _table_of(data: "CsvTable", places: list[Place]) -> Table:
    """The table that folders of images make: each file, and the name of the folder it lies in."""
    names = [name for place in places for name in place.names if is_image(name)]
    if not names:
        raise TrainableError(f"data.images: there are no images in {', '.join(str(place.path) for place in places)}")
    rows = [[name, name.rpartition("/")[0].rpartition("/")[2]] for name in names]
    return Table(Path(data.root), [data.image_column, FOLDER], rows, list(range(1, len(rows) + 1)), ",")


def _ids(data: "CsvTable", table: Table) -> list[str]:
    cells = table.column(data.image_column, "image_column")
    empty = [line for line, cell in zip(table.lines, cells, strict=True) if not cell]
    if empty:
        raise TrainableError(
            f"data.image_column: {table.path} has no image id in {counted(len(empty), 'row')} (line {shown(empty)}); "
            "give one, or remove the row"
        )
    return [data.image_name.replace("{}", cell) for cell in cells] if data.image_name else cells


def _found(places: list[Place], name: str) -> ImageFile | str:
    hits = [ImageFile(place, hit) for place in places for hit in place.find(name)]
    hits = hits or [ImageFile(place, hit) for place in places for hit in place.find_loosely(name)]
    if len(hits) == 1:
        return hits[0] if hits[0].exists() else f"{hits[0]} is a link that leads nowhere"
    if hits:
        return f"may be {' or '.join(map(str, hits[:3]))}; write its folder in the table, or give one folder"
    seen = next((place.names[0] for place in places if place.names), None)
    example = f", which holds files such as {seen}" if seen else ", where there are no images"
    closed = [folder for place in places for folder in place.closed]
    leave = f"; {closed[0]} cannot be listed: make it readable" if closed else ""
    return f"no such file in {', '.join(str(place.path) for place in places)}{example}{leave}"


def _labels(data: "CsvTable", listing: Listing) -> Labels:
    remark = " (a test table without labels cannot be scored; give test_fraction instead)"
    tables = listing.tables.items()
    if data.label_column:
        cells = [
            cell
            for part, table in tables
            for cell in table.column(data.label_column, "label_column", remark if part == "test" else "")
        ]
        lists, odd = label_lists(cells, data.label_column, data.separator, data.none_labels)
        found = from_lists(lists, data.label_column, _class_names(data), listing.where)
    else:
        names = _label_columns(data, next(iter(listing.tables.values())))
        columns = {
            name: [
                cell
                for part, table in tables
                for cell in table.column(name, "label_columns", remark if part == "test" else "")
            ]
            for name in names
        }
        found, odd = from_columns(columns, data.uncertain, data.blank, listing.where), []
        if shown_names := _class_names(data):
            found = replace(found, classes=[shown_names.get(name, name) for name in found.classes])
    if not found.classes:
        raise TrainableError(f"data.{data.label_column or 'label_columns'}: there is no label at all; check the column")
    return replace(found, odd=[*odd, *found.odd])


def _label_columns(data: "CsvTable", table: Table) -> list[str]:
    wanted: list[str] | AllBut = data.label_columns or []
    if isinstance(wanted, list):
        return wanted
    for name in wanted.all_but:
        if name not in table.columns:
            hint = nearest(name, filter(None, table.columns))
            raise TrainableError(f"data.label_columns: {table.path} has no column {name!r} to leave out; {hint}")
    used = {data.image_column, data.split_column, data.group_column, *wanted.all_but, ""}
    return [name for name in table.columns if name not in used]


def _class_names(data: "CsvTable") -> dict[str, str] | None:
    """Label as written -> name to show, in the order of the classes table."""
    spec = data.classes_table
    if not spec:
        return None
    path = data.path(spec.file, "classes_table.file")
    table = read_table(path, "classes_table.file", Dialect(encoding=data.encoding), {spec.label, spec.name})
    labels = table.column(spec.label, "classes_table.label")
    names = table.column(spec.name, "classes_table.name")
    for key, cells in (("label", labels), ("name", names)):
        twice = [cell for cell, n in Counter(cells).items() if n > 1]
        if twice:
            raise TrainableError(f"data.classes_table.{key}: {path} lists {shown(map(repr, twice))} more than once")
    return dict(zip(labels, names, strict=True))


def _merged(rows: Rows, where: list[str], *, row_per_label: bool) -> Rows:
    """One row an image, with the labels of all its rows where each label has its own.

    What says the same again is counted. Raises TrainableError for contradictions.
    """
    by_file: dict[object, list[int]] = defaultdict(list)
    for row, (file, name) in enumerate(zip(rows.files, rows.ids, strict=True)):
        by_file[file if isinstance(file, ImageFile) else (name, file)].append(row)
    repeated = [at for at in by_file.values() if len(at) > 1]
    if not repeated:
        return rows
    if row_per_label:
        targets = rows.labels.targets.copy()
        for at in repeated:
            targets[at] = targets[at].max(0)
        rows = replace(rows, labels=replace(rows.labels, targets=targets))
    contradicting = [at for at in repeated if len({_content(rows, row) for row in at}) > 1]
    if contradicting:
        named = [f"image {rows.ids[at[0]]!r} ({' and '.join(where[row] for row in at[:3])})" for at in contradicting]
        raise TrainableError(
            f"data.tables: {counted(len(repeated), 'image')} listed more than once, {len(contradicting)} of them with "
            f"different labels, split or group: {shown(named, 20)}; keep one row for each"
            f"{'' if row_per_label else ', or give data.row_per: label'}"
        )
    kept = rows.take(np.array(sorted(at[0] for at in by_file.values())))
    if row_per_label:
        return kept
    num = sum(len(at) - 1 for at in repeated)
    odd = Oddity(f"{counted(num, 'row')} repeated an image with the same labels and counted once", "tables")
    return replace(kept, odd=[*kept.odd, odd])


def _content(rows: Rows, row: int) -> tuple[object, ...]:
    known = rows.labels.known
    group = None if rows.group is None else rows.group[row]
    return rows.labels.targets[row].tobytes(), known is None or known[row].tobytes(), rows.split[row], group


def _table_oddities(listing: Listing) -> list[Oddity]:
    odd = []
    for table in listing.tables.values():
        if table.num_headers:
            odd.append(Oddity(f"{table.path.name} repeats its header line; left out", "tables"))
        if table.encoding:
            odd.append(Oddity(f"{table.path.name} is UTF-8 too, and reads otherwise as {table.encoding}", "encoding"))
    return odd


def _min_positives(data: "CsvTable", rows: Rows) -> Rows:
    """Keep the classes that have at least the wanted number of positives in each named split."""
    keep = np.ones(len(rows.labels.classes), dtype=bool)
    for split, least in data.min_positives.items():
        counts = rows.labels.targets[rows.split == SPLITS.index(split)].sum(0, dtype=np.int64)
        keep &= counts >= least
        if not keep.any():
            largest = int(counts.argmax())
            raise TrainableError(
                f"data.min_positives: no class has {least:,} positives in {split} (largest: "
                f"{rows.labels.classes[largest]}, {counts[largest]:,}), so none is left; lower it"
            )
    return rows if keep.all() else replace(rows, labels=_keep_classes(rows.labels, keep))


def _keep_classes(labels: Labels, keep: np.ndarray) -> Labels:
    known = None if labels.known is None else labels.known[:, keep]
    names = [name for name, kept in zip(labels.classes, keep, strict=True) if kept]
    return replace(labels, classes=names, targets=labels.targets[:, keep], known=known)
