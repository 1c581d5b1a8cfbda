"""How the rows of a csv data set are divided: splits as given, by lists of ids or carved; groups."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from evenkeel.trainables.data.csv.dialects import read_text
from evenkeel.trainables.data.csv.joining import cells_by_image
from evenkeel.trainables.data.csv.rows import Listing, Rows
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.table import found_by, is_blank, structure
from evenkeel.trainables.data.image_lookup import folder_of, id_key, meant
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.phrases import first_few, plural, shortened
from evenkeel.trainables.data.stratify import carve, folds
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError, nearest

SPLIT_NAMES = {
    "train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip
LEFT_OUT = 9
"""The code of rows that no split list names, and of splits to skip."""

SPLIT_CODES = {name: code for code, name in enumerate(SPLITS)} | {"skip": LEFT_OUT}
REST = "rest"
"""Stands in `split_values` for all other cells."""

FIXED_TEST_SEED = 0
"""The test rows of `test_fraction` are the same for every seed of a study."""


def split_names(data: CsvSettings, cells: list[str]) -> list[str]:
    """The cells of the split column, known names in one spelling."""
    values: dict[str, str] = {**data.split_values}
    names = {cell: SPLITS[SPLIT_NAMES[cell.lower()]] for cell in set(cells) if cell.lower() in SPLIT_NAMES} | values
    return [names.get(cell, values.get(REST, cell)) for cell in cells]


def official(data: CsvSettings, listing: Listing) -> tuple[np.ndarray, list[Oddity]]:
    """Split codes [N] as the tables give them, all train where they give none. Raises TrainableError."""
    if data.split_lists:
        return _listed(data, listing.ids)
    if listing.split_cells:
        names = split_names(data, listing.split_cells)
    elif len(set(listing.parts)) > 1:
        names = listing.parts
    else:
        return np.zeros(len(listing.ids), dtype=np.uint8), []
    for name, part, line in zip(names, listing.parts, listing.lines, strict=True):
        if name not in SPLIT_CODES:
            hint = nearest(name, SPLIT_NAMES)
            key = "split_column" if data.split_column else "split_table"
            way = f"{hint}; or say what it means with data.split_values: {{{name!r}: train}}"
            raise TrainableError(f"data.{key}: {line} has the unknown split {name!r}; {way}")
        if name in SPLITS and part in SPLITS and (name == "test") != (part == "test"):
            raise TrainableError(
                f"data.split_column: {line} says {name}, but it is a row of the {part} table; correct it, or leave "
                "split_column out"
            )
    split = np.array([SPLIT_CODES[name] for name in names], dtype=np.uint8)
    return split, _split_oddities(data, listing, split)


def _split_oddities(data: CsvSettings, listing: Listing, split: np.ndarray) -> list[Oddity]:
    if not data.split_values:
        return []
    present = {REST, *listing.split_cells}
    absent = [cell for cell in data.split_values if cell not in present]
    odd = [Oddity(f"{first_few(map(repr, absent))} occurs nowhere", "split_values")] if absent else []
    num = int((split == LEFT_OUT).sum())
    return [*odd, Oddity(f"{plural(num, 'row')} of the splits to skip: left out", "split_values")] if num else odd


def _listed(data: CsvSettings, ids: list[str]) -> tuple[np.ndarray, list[Oddity]]:
    """Rows by the lists of ids; without a train list what is not listed is train, with one it is left out."""
    split = np.full(len(ids), LEFT_OUT if "train" in data.split_lists else 0, dtype=np.uint8)
    rows, by_key = _rows_of(ids), defaultdict[str, list[str]](list)
    for name in rows:
        by_key[id_key(name)].append(name)
    homes: dict[str, str] = {}
    unknown: list[str] = []
    for part, path in data.list_paths().items():
        for line in _listed_ids(read_text(path, "split_lists", data.encoding)):
            if not (image_id := line.split(",")[0].strip()):
                continue
            names = meant(image_id, by_key[id_key(image_id)])
            if len({folder_of(name) for name in names}) > 1:
                raise TrainableError(
                    f"data.split_lists: {image_id!r} in {path.name} may be {' or '.join(names[:3])}; write its folder"
                )
            for name in names:
                if homes.setdefault(name, part) != part:
                    raise TrainableError(
                        f"data.split_lists: {name!r} is in the lists of {homes[name]} and {part}; keep it in one"
                    )
                split[rows[name]] = SPLITS.index(part)
            if not names:
                unknown.append(line.strip())
    if not homes:
        first = f" (the first: {shortened(unknown[0])!r})" if unknown else ""
        raise TrainableError(f"data.split_lists: no line is an image id of the tables{first}")
    odd = (
        [Oddity(f"{plural(len(unknown), 'listed id')} without a row: {first_few(unknown)}", "split_lists")]
        if unknown
        else []
    )
    if num := int((split == LEFT_OUT).sum()):
        odd.append(Oddity(f"{plural(num, 'row')} that no list names: left out", "split_lists"))
    return split, odd


def _listed_ids(text: str) -> list[str]:
    """The lines of a list of ids, or the items of one that is JSON."""
    listed = structure(text) if text.lstrip().startswith("[") else None
    return list(map(str, listed)) if isinstance(listed, list) else text.splitlines()


def _rows_of(ids: list[str]) -> dict[str, list[int]]:
    """Id -> its rows: an image may be listed more than once."""
    rows = defaultdict[str, list[int]](list)
    for row, name in enumerate(ids):
        rows[name].append(row)
    return rows


def groups_of(data: CsvSettings, listing: Listing) -> np.ndarray | None:
    """The group of each row [N], blank where there is none: from a column of the tables, or a table of its own.

    None where the study names neither. Raises TrainableError for a column that is not there.
    """
    if data.group_table:
        spec = data.group_table
        return np.array(cells_by_image(data, "group_table", (spec.image, spec.group), listing.ids)[0])
    if not data.group_column:
        return None
    cells = listing.cells(data.group_column, "group_column")
    return np.array(found_by(data.group_pattern, cells, "group_pattern", listing.lines))


def with_single_groups(data: CsvSettings, rows: Rows) -> Rows:
    """Rows whose group is blank belong to nobody else's."""
    if rows.group is None:
        return rows
    blank = np.flatnonzero([is_blank(group) for group in rows.group.tolist()])
    if not len(blank):
        return rows
    names = rows.group.astype(object)
    names[blank] = [f"(none) {rows.ids[row]} {row}" for row in blank]
    number = plural(len(blank), "row")
    key = "group_column" if data.group_column else "group_table"
    odd = Oddity(f"{number} without a {data.group_column or 'group'}: each is a group of its own", key)
    return replace(rows, group=names.astype(str), odd=[*rows.odd, odd])


def with_test(data: CsvSettings, rows: Rows) -> Rows:
    """Test rows carved, class by class and in whole groups. Raises TrainableError when there are none to be had."""
    fraction = data.test_fraction or 0.0
    rng = np.random.default_rng(FIXED_TEST_SEED)
    targets = rows.labels.targets
    if data.fold is None:
        chosen = carve(targets, rows.group, fraction=fraction, rng=rng)
    else:
        chosen = folds(targets, rows.group, num=round(1 / fraction), rng=rng) == data.fold
    num_wanted = round(fraction * len(chosen))
    if not chosen.any():
        raise TrainableError(
            f"data.test_fraction: {fraction:g} of {plural(len(chosen), 'row')} would be {num_wanted}, but no group is "
            "small enough and leaves every class a training row; give another fraction, or leave group_column out"
        )
    odd = []
    if abs(int(chosen.sum()) - num_wanted) > max(1, 0.25 * num_wanted):
        odd.append(
            Oddity(f"{plural(int(chosen.sum()), 'test row')} where {num_wanted} were asked for", "test_fraction")
        )
    return replace(rows, split=np.where(chosen, 2, 0).astype(np.uint8), odd=[*rows.odd, *odd])
