"""From the files of a csv data set to its rows: tables read, images found, labels, splits and groups put together."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from evenkeel.trainables.data.csv.columns import AllBut
from evenkeel.trainables.data.csv.dialects import Dialect, Table, read_table
from evenkeel.trainables.data.csv.labels import Labels, from_columns, from_lists, label_lists
from evenkeel.trainables.data.csv.rows import Listing, Rows, merged, with_min_positives
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.splitting import (
    LEFT_OUT,
    groups_of,
    official,
    split_names,
    with_single_groups,
    with_test,
)
from evenkeel.trainables.data.image_lookup import ImageFile, ImageSource, image_source, is_image
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError, nearest

FOLDER_COLUMN = "folder"
"""The column, where there are no tables, that holds the name of an image's folder."""


def list_images(data: CsvSettings) -> Listing:
    """Read the tables and find every row's image. Raises TrainableError for a table that cannot be read rightly."""
    tables = {part: _table(data, path) for part, path in data.table_paths().items()}
    sources = {part: [image_source(path, "images") for path in paths] for part, paths in data.image_paths().items()}
    tables = tables or {part: _table_of_folders(data, inside) for part, inside in sources.items()}
    parts = [part for part, table in tables.items() for _ in table.rows]
    lines = [f"{table.path.name} line {line}" for table in tables.values() for line in table.lines]
    ids = [name for table in tables.values() for name in _ids(data, table)]
    column = data.split_column
    cells = [cell for table in tables.values() for cell in table.column(column, "split_column")] if column else []
    splits = split_names(data, cells)
    files = []
    for row, (part, name) in enumerate(zip(parts, ids, strict=True)):
        own = sources.get(part) or (sources.get(splits[row]) if splits else None)
        files.append(_image_file(own or [source for inside in sources.values() for source in inside], name))
    return Listing(tables, parts, lines, ids, cells, files)


def read_rows(data: CsvSettings, listing: Listing) -> Rows:
    """Labels, groups and splits of the rows, repeats merged, test rows carved. Raises TrainableError."""
    labels = _labels(data, listing)
    split, odd = official(data, listing)
    group = groups_of(data, listing)
    rows = Rows(listing.ids, listing.files, labels, split, group, [*labels.odd, *odd, *_table_oddities(listing)])
    kept = np.flatnonzero(split != LEFT_OUT)
    rows = merged(rows.take(kept), [listing.lines[row] for row in kept], row_per_label=data.row_per == "label")
    rows = with_single_groups(data, with_min_positives(rows, data.min_positives))
    return with_test(data, rows) if data.test_fraction else rows


def _table(data: CsvSettings, path: Path) -> Table:
    dialect = Dialect(data.delimiter, data.encoding, tuple(data.columns) if data.columns else None)
    return read_table(path, "tables", dialect, data.named_columns())


def _table_of_folders(data: CsvSettings, sources: list[ImageSource]) -> Table:
    """The table that folders of images make: each file, and the name of the folder it lies in."""
    names = [name for source in sources for name in source.names if is_image(name)]
    if not names:
        raise TrainableError(f"data.images: there are no images in {', '.join(str(source.path) for source in sources)}")
    rows = [[name, name.rpartition("/")[0].rpartition("/")[2]] for name in names]
    return Table(Path(data.root), [data.image_column, FOLDER_COLUMN], rows, list(range(1, len(rows) + 1)), ",")


def _ids(data: CsvSettings, table: Table) -> list[str]:
    cells = table.column(data.image_column, "image_column")
    empty = [line for line, cell in zip(table.lines, cells, strict=True) if not cell]
    if empty:
        raise TrainableError(
            f"data.image_column: {table.path} has no image id in {plural(len(empty), 'row')} (line "
            f"{first_few(empty)}); give one, or remove the row"
        )
    return [data.image_name.replace("{}", cell) for cell in cells] if data.image_name else cells


def _image_file(sources: list[ImageSource], name: str) -> ImageFile | str:
    """The one file that `name` means, or why there is none."""
    hits = [ImageFile(source, hit) for source in sources for hit in source.find(name)]
    hits = hits or [ImageFile(source, hit) for source in sources for hit in source.find_loosely(name)]
    if len(hits) == 1:
        return hits[0] if hits[0].exists() else f"{hits[0]} is a link that leads nowhere"
    if hits:
        return f"may be {' or '.join(map(str, hits[:3]))}; write its folder in the table, or give one folder"
    first = next((source.names[0] for source in sources if source.names), None)
    example = f", which holds files such as {first}" if first else ", where there are no images"
    closed = [folder for source in sources for folder in source.closed]
    leave = f"; {closed[0]} cannot be listed: make it readable" if closed else ""
    return f"no such file in {', '.join(str(source.path) for source in sources)}{example}{leave}"


def _labels(data: CsvSettings, listing: Listing) -> Labels:
    if data.label_column:
        labels = _labels_of_lists(data, data.label_column, listing)
    else:
        labels = _labels_of_columns(data, listing)
    if not labels.classes:
        raise TrainableError(f"data.{data.label_column or 'label_columns'}: there is no label at all; check the column")
    return labels


def _labels_of_lists(data: CsvSettings, column: str, listing: Listing) -> Labels:
    cells = _cells(listing, column, "label_column")
    lists, odd = label_lists(cells, column, data.separator, data.none_labels)
    labels = from_lists(lists, column, _class_names(data), listing.lines)
    return replace(labels, odd=[*odd, *labels.odd])


def _labels_of_columns(data: CsvSettings, listing: Listing) -> Labels:
    names = _label_columns(data, next(iter(listing.tables.values())))
    columns = {name: _cells(listing, name, "label_columns") for name in names}
    labels = from_columns(columns, data.uncertain, data.blank, listing.lines)
    class_names = _class_names(data) or {}
    return replace(labels, classes=[class_names.get(name, name) for name in labels.classes])


def _cells(listing: Listing, column: str, key: str) -> list[str]:
    """The cells of a column with labels, [N], of all tables."""
    remark = " (a test table without labels cannot be scored; give test_fraction instead)"
    return [
        cell
        for part, table in listing.tables.items()
        for cell in table.column(column, key, remark if part == "test" else "")
    ]


def _label_columns(data: CsvSettings, table: Table) -> list[str]:
    columns: list[str] | AllBut = data.label_columns or []
    if isinstance(columns, list):
        return columns
    for name in columns.all_but:
        if name not in table.columns:
            hint = nearest(name, filter(None, table.columns))
            raise TrainableError(f"data.label_columns: {table.path} has no column {name!r} to leave out; {hint}")
    used = {data.image_column, data.split_column, data.group_column, *columns.all_but, ""}
    return [name for name in table.columns if name not in used]


def _class_names(data: CsvSettings) -> dict[str, str] | None:
    """Label as the data writes it -> name to show, in the order of the classes table; None without one."""
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
            raise TrainableError(f"data.classes_table.{key}: {path} lists {first_few(map(repr, twice))} more than once")
    return dict(zip(labels, names, strict=True))


def _table_oddities(listing: Listing) -> list[Oddity]:
    odd = []
    for table in listing.tables.values():
        if table.num_headers:
            odd.append(Oddity(f"{table.path.name} repeats its header line; left out", "tables"))
        if table.encoding:
            odd.append(Oddity(f"{table.path.name} is UTF-8 too, and reads otherwise as {table.encoding}", "encoding"))
    return odd
