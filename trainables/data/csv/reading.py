"""From the listing of a csv data set to its rows: labels, splits and groups put together, one row an image."""

from collections import Counter
from dataclasses import replace

import numpy as np

from evenkeel.trainables.data.csv.columns import AllBut
from evenkeel.trainables.data.csv.label_oddities import class_oddities, none_oddities
from evenkeel.trainables.data.csv.labels import Labels, from_columns, from_lists, label_lists
from evenkeel.trainables.data.csv.listing import FOLDER_COLUMN
from evenkeel.trainables.data.csv.merging import MergeRule, merged
from evenkeel.trainables.data.csv.row_values import with_values
from evenkeel.trainables.data.csv.rows import Listing, Rows, with_min_positives
from evenkeel.trainables.data.csv.settings import CLASS_MARK, CsvSettings
from evenkeel.trainables.data.csv.splitting import (
    LEFT_OUT,
    groups_of,
    official,
    with_single_groups,
    with_test,
)
from evenkeel.trainables.data.csv.table import Table, found_by, structure
from evenkeel.trainables.data.csv.tables import read_class_list
from evenkeel.trainables.data.image_lookup import ImageFile, is_image
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError, nearest

TEST_REMARK = {"test": " (a test table without labels cannot be scored; give test_fraction instead)"}


def read_rows(data: CsvSettings, listing: Listing) -> Rows:
    """Labels, groups and splits of the rows, repeats merged, test rows carved. Raises TrainableError."""
    labels, odd = _labels(data, listing)
    split, split_odd = official(data, listing)
    group = groups_of(data, listing)
    odd += [*split_odd, *_table_oddities(data, listing)]
    rows = Rows(listing.ids, listing.files, labels, split, group, odd, listing.captions)
    kept = np.flatnonzero(split != LEFT_OUT)
    rule = _merge_rule(data, listing).take(kept)
    rows = merged(rows.take(kept), [listing.lines[row] for row in kept], rule)
    rows = with_min_positives(_without_none(data, rows), data.min_positives)
    rows = replace(rows, odd=[*rows.odd, *class_oddities(rows.labels.classes, rows.labels.targets)])
    rows = with_single_groups(data, rows)
    return with_test(data, rows) if data.test_fraction else rows


def _merge_rule(data: CsvSettings, listing: Listing) -> MergeRule:
    reader = listing.cells(data.reader_column, "reader_column") if data.reader_column else None
    row_per_label = data.row_per == "label"
    return MergeRule(row_per_label, not row_per_label or bool(data.values_in), data.unlisted, data.readers, reader)


def _without_none(data: CsvSettings, rows: Rows) -> Rows:
    """The rows without the classes that mean no label. Raises TrainableError when there is no other."""
    labels = rows.labels
    odd = none_oddities(labels.classes, labels.targets, data.none_labels) if data.label_column else []
    keep = np.array([name not in data.none_labels for name in labels.classes], dtype=bool)
    if not keep.any():
        name = f"label_column: {data.label_column}" if data.label_column else "label_columns: there"
        raise TrainableError(f"data.{name} holds no label at all; check the column")
    return replace(rows, labels=labels if keep.all() else labels.keep_classes(keep), odd=[*odd, *rows.odd])


def _labels(data: CsvSettings, listing: Listing) -> tuple[Labels, list[Oddity]]:
    if data.label_column:
        return _labels_of_lists(data, data.label_column, listing)
    names = _label_columns(data, listing.tables[0][1])
    columns = {name: listing.cells(name, "label_columns", TEST_REMARK) for name in names}
    labels = from_columns(columns, data.meanings(), listing.lines, "label_columns")
    class_names = _class_names(data) or {}
    return replace(labels, classes=[class_names.get(name, name) for name in labels.classes]), []


def _labels_of_lists(data: CsvSettings, column: str, listing: Listing) -> tuple[Labels, list[Oddity]]:
    cells = listing.cells(column, "label_column", TEST_REMARK)
    cells = found_by(data.label_pattern, cells, "label_pattern", listing.lines)
    lists, odd = label_lists(cells, column, data.separator)
    labels = from_lists(lists, column, _class_names(data), data.none_labels, listing.lines)
    if data.row_per == "label":
        labels = with_values(data, column, labels, listing)
    return labels, odd


def _label_columns(data: CsvSettings, table: Table) -> list[str]:
    columns: list[str] | AllBut = data.label_columns or AllBut(all_but=[])
    if isinstance(columns, list):
        return columns
    for name in columns.all_but:
        if name not in table.columns:
            hint = nearest(name, filter(None, table.columns))
            raise TrainableError(f"data.label_columns: {table.path} has no column {name!r} to leave out; {hint}")
    named = {data.image_column, data.split_column, data.group_column, data.reader_column, data.caption_column}
    used = {*named, *columns.all_but, ""}
    return [name for name in table.columns if name not in used]


def _class_names(data: CsvSettings) -> dict[str, str] | None:
    """Label as the data writes it -> name to show, in the order of the classes table; None without one."""
    spec = data.classes_table
    if not spec:
        return None
    path = data.path(spec.file, "classes_table.file")
    table = read_class_list(path, "classes_table.file", data.encoding, {spec.label, spec.name})
    labels = table.column(spec.label, "classes_table.label")
    names = table.column(spec.name, "classes_table.name")
    for key, cells in (("label", labels), ("name", names)):
        twice = [cell for cell, n in Counter(cells).items() if n > 1]
        if twice:
            raise TrainableError(f"data.classes_table.{key}: {path} lists {first_few(map(repr, twice))} more than once")
    return dict(zip(labels, names, strict=True))


def _table_oddities(data: CsvSettings, listing: Listing) -> list[Oddity]:
    odd = [*_file_a_class(data, listing), *_images_without_labels(listing), *_nested_folders(data, listing)]
    odd += _several_annotations(data, listing)
    for _, table in listing.tables:
        if table.num_headers:
            odd.append(Oddity(f"{table.path.name} repeats its header line; left out", "tables"))
        if table.encoding:
            odd.append(Oddity(f"{table.path.name} is UTF-8 too, and reads otherwise as {table.encoding}", "encoding"))
    return odd


def _nested_folders(data: CsvSettings, listing: Listing) -> list[Oddity]:
    """What to say of folders in folders, where only the innermost are classes."""
    if data.tables or data.label_column != FOLDER_COLUMN:
        return []
    outer, inner = f"{FOLDER_COLUMN}.0", f"{FOLDER_COLUMN}.1"
    if not all(table.has(outer) and inner in table.columns for _, table in listing.tables):
        return []
    outermost, names = ({*listing.cells(name, "label_column")} - {""} for name in (outer, FOLDER_COLUMN))
    if len(outermost) < 2:
        return []
    return [
        Oddity(
            f"images lie in folders of folders: classes are the innermost ({first_few(sorted(names), 3)}); "
            f"{outer} are the outermost ({first_few(sorted(outermost), 3)}), {inner} the next",
            "label_column",
        )
    ]


def _several_annotations(data: CsvSettings, listing: Listing) -> list[Oddity]:
    """What to say of tasks of Label Studio that several people have labelled."""
    if not (data.label_column or "").startswith("annotations.result."):
        return []
    cells = [structure(cell) for cell in listing.cells("annotations", "label_column")]
    num = sum(isinstance(annotations, list) and len(annotations) > 1 for annotations in cells)
    text = f"{plural(num, 'row')} with several annotations, whose labels are joined as if one person had given them all"
    return [Oddity(text, "label_column")] if num else []


def _images_without_labels(listing: Listing) -> list[Oddity]:
    """What to say of images for which a folder of labels has no file, as YOLO leaves those that show nothing."""
    if not any(table.path.is_dir() and table.unit == "file" for _, table in listing.tables):
        return []
    files = [file for file in listing.files if isinstance(file, ImageFile)]
    sources = {id(file.source): file.source for file in files}.values()
    read = {(id(file.source), file.name) for file in files}
    left = [name for source in sources for name in source.names if is_image(name) and (id(source), name) not in read]
    if not left:
        return []
    text = f"{plural(len(left), 'image')} without a file of labels: not read ({first_few(left, 2)}); give an empty file"
    return [Oddity(f"{text} to those that show none of the classes", "tables")]


def _file_a_class(data: CsvSettings, listing: Listing) -> list[Oddity]:
    """What to say of a single class that has its name in the name of its file: others may have files of theirs."""
    columns = data.label_columns
    name = columns[0] if isinstance(columns, list) and len(columns) == 1 else None
    files = [table.path.name for _, table in listing.tables if name and name in table.path.name]
    if not name or not files:
        return []
    pattern = files[0].replace(name, CLASS_MARK)
    return [
        Oddity(f"there is one class, {name}, from {files[0]}; with a file a class name all, as {pattern}", "tables")
    ]
