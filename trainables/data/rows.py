"""The rows of a csv data set, before any image is decoded: read, resolved to files, merged, split."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.data.image_set import SPLITS
from trainables.data.labels import Labels, from_columns, from_lists, label_lists
from trainables.data.places import ImageFile, Place, place_of
from trainables.data.splits import carve
from trainables.data.summary import Oddity
from trainables.data.table import Dialect, Table, counted, is_blank, read_table, shown
from trainables.errors import TrainableError, nearest

if TYPE_CHECKING:
    from trainables.data.csv_table import AllBut, CsvTable

SPLIT_NAMES = {
    "train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip
FIXED_TEST_SEED = 0
"""The test rows of `test_fraction` are the same for every seed of a study."""


@dataclass(frozen=True)
class Listing:
    """All rows of all tables in order: table, image id, file (or why there is none)."""

    tables: dict[str, Table]
    parts: list[str]
    where: list[str]
    ids: list[str]
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
    parts = [part for part, table in tables.items() for _ in table.rows]
    where = [f"{table.path.name} line {line}" for table in tables.values() for line in table.lines]
    ids = [name for part, table in tables.items() for name in _ids(data, table)]
    splits = _split_names(data, tables) if data.split_column and set(places) & set(SPLITS) else None
    files = []
    for row, (part, name) in enumerate(zip(parts, ids, strict=True)):
        own = places.get(part) or (splits and places.get(splits[row]))
        files.append(_found(own or [place for inside in places.values() for place in inside], name))
    return Listing(tables, parts, where, ids, files)


def read_rows(data: "CsvTable", listing: Listing) -> Rows:
    """Labels, groups and splits of the rows, repeats merged, test rows carved. Raises TrainableError."""
    labels = _labels(data, listing)
    split = _official(data, listing)
    rows = Rows(listing.ids, listing.files, labels, split, _groups(data, listing), labels.odd)
    kept, merged = _merged(rows, listing.where)
    rows = replace(rows.take(kept), odd=[*rows.odd, *_table_oddities(listing), *merged])
    rows = _min_positives(data, rows)
    rows = _single_groups(data, rows)
    return _with_test(data, rows) if data.test_fraction else rows


def _table(data: "CsvTable", path: Path) -> Table:
    dialect = Dialect(data.delimiter, data.encoding, tuple(data.columns) if data.columns else None)
    return read_table(path, "tables", dialect, data.named_columns())


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
    if len(hits) == 1:
        return hits[0]
    if hits:
        return f"may be {' or '.join(map(str, hits[:3]))}; write its folder in the table, or give one folder"
    seen = next((place.names[0] for place in places if place.names), None)
    example = f", which holds files such as {seen}" if seen else ", where there are no images"
    return f"no such file in {', '.join(str(place.path) for place in places)}{example}"


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


def _split_names(data: "CsvTable", tables: dict[str, Table]) -> list[str]:
    return [
        SPLITS[SPLIT_NAMES[cell.lower()]] if cell.lower() in SPLIT_NAMES else cell
        for table in tables.values()
        for cell in table.column(data.split_column or "", "split_column")
    ]


def _official(data: "CsvTable", listing: Listing) -> np.ndarray:
    """Split codes as the tables give them (all train where they give none)."""
    if data.split_column:
        names = _split_names(data, listing.tables)
    elif len(listing.tables) > 1:
        names = listing.parts
    else:
        return np.zeros(len(listing.ids), dtype=np.uint8)
    for name, part, where in zip(names, listing.parts, listing.where, strict=True):
        if name not in SPLITS:
            hint = nearest(name, SPLIT_NAMES)
            raise TrainableError(f"data.split_column: {where} has the unknown split {name!r}; {hint}")
        if part in SPLITS and (name == "test") != (part == "test"):
            raise TrainableError(
                f"data.split_column: {where} says {name}, but it is a row of the {part} table; correct it, or leave "
                "split_column out"
            )
    return np.array([SPLITS.index(name) for name in names], dtype=np.uint8)


def _groups(data: "CsvTable", listing: Listing) -> np.ndarray | None:
    """The group of each row, blank where there is none: a column of the tables, or looked up in a table of its own."""
    if data.group_column:
        return np.array([g for t in listing.tables.values() for g in t.column(data.group_column, "group_column")])
    spec = data.group_table
    if not spec:
        return None
    path = data.path(spec.file, "group_table.file")
    table = read_table(path, "group_table.file", Dialect(encoding=data.encoding), {spec.image, spec.group})
    images = table.column(spec.image, "group_table.image")
    home = dict(zip(images, table.column(spec.group, "group_table.group"), strict=True))
    found = np.array([home.get(name, "") for name in listing.ids])
    if not found.any():
        raise TrainableError(
            f"data.group_table: {path} speaks of none of the images, but of images such as {images[0]!r}; give the "
            f"column in which ids are written as in the tables ({listing.ids[0]!r})"
        )
    return found


def _merged(rows: Rows, where: list[str]) -> tuple[np.ndarray, list[Oddity]]:
    """The first row of each image, and how many said the same again. Raises TrainableError for contradictions."""
    by_file: dict[object, list[int]] = defaultdict(list)
    for row, (file, name) in enumerate(zip(rows.files, rows.ids, strict=True)):
        by_file[file if isinstance(file, ImageFile) else (name, file)].append(row)
    repeated = [at for at in by_file.values() if len(at) > 1]
    if not repeated:
        return np.arange(len(rows.ids)), []
    contradicting = [at for at in repeated if len({_content(rows, row) for row in at}) > 1]
    if contradicting:
        named = [f"image {rows.ids[at[0]]!r} ({' and '.join(where[row] for row in at[:3])})" for at in contradicting]
        raise TrainableError(
            f"data.tables: {counted(len(repeated), 'image')} listed more than once, {len(contradicting)} of them with "
            f"different labels, split or group: {shown(named, 20)}; keep one row for each"
        )
    num = sum(len(at) - 1 for at in repeated)
    odd = Oddity(f"{counted(num, 'row')} repeated an image with the same labels and counted once", "tables")
    return np.array(sorted(at[0] for at in by_file.values())), [odd]


def _content(rows: Rows, row: int) -> tuple[object, ...]:
    known = rows.labels.known
    group = None if rows.group is None else rows.group[row]
    return rows.labels.targets[row].tobytes(), known is None or known[row].tobytes(), rows.split[row], group


def _table_oddities(listing: Listing) -> list[Oddity]:
    odd = []
    for table in listing.tables.values():
        if table.num_headers:
            odd.append(Oddity(f"{table.path.name} repeats its header line; left out", "tables"))
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


def _single_groups(data: "CsvTable", rows: Rows) -> Rows:
    """Rows whose group is blank belong to nobody else's."""
    if rows.group is None:
        return rows
    blank = np.flatnonzero([is_blank(group) for group in rows.group.tolist()])
    if not len(blank):
        return rows
    names = rows.group.astype(object)
    names[blank] = [f"(none) {rows.ids[row]} {row}" for row in blank]
    number = counted(len(blank), "row")
    key = "group_column" if data.group_column else "group_table"
    odd = Oddity(f"{number} without a {data.group_column or 'group'}: each is a group of its own", key)
    return replace(rows, group=names.astype(str), odd=[*rows.odd, odd])


def _with_test(data: "CsvTable", rows: Rows) -> Rows:
    fraction = data.test_fraction or 0.0
    chosen = _fold(data.fold, fraction, rows)
    wanted = round(fraction * len(chosen))
    if not chosen.any():
        raise TrainableError(
            f"data.test_fraction: {fraction:g} of {counted(len(chosen), 'row')} would be {wanted}, but no group is "
            "small enough and leaves every class a training row; give another fraction, or leave group_column out"
        )
    odd = []
    if abs(int(chosen.sum()) - wanted) > max(1, 0.25 * wanted):
        odd.append(Oddity(f"{counted(int(chosen.sum()), 'test row')} where {wanted} were asked for", "test_fraction"))
    return replace(rows, split=np.where(chosen, 2, 0).astype(np.uint8), odd=[*rows.odd, *odd])


def _fold(number: int, fraction: float, rows: Rows) -> np.ndarray:
    """The rows [N] of one of the disjoint test sets, which are carved one after the other from what is left."""
    rng = np.random.default_rng(FIXED_TEST_SEED)
    left = np.arange(len(rows.ids))
    for earlier in range(number + 1):
        inside = None if rows.group is None else rows.group[left]
        share = fraction / (1 - earlier * fraction)
        taken = carve(rows.labels.targets[left], inside, fraction=share, rng=rng)
        fold, left = left[taken], left[~taken]
    return np.isin(np.arange(len(rows.ids)), fold)
