"""Tables that are JSON: records, lines of records, maps from image to labels, columns, and COCO's annotation files.

A record's keys are columns. What is inside a value is asked for by a path, as `annotations.result.value.choices`
(`Table.column`), so that the exports of label tools need no reader each.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evenkeel.trainables.data.csv.table import Table, cell_of
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.errors import TrainableError

RECORD_KEYS = ("data", "items", "rows", "records", "samples", "tasks", "annotations", "images", "_via_img_metadata")
"""Under which of its keys an object may hold the records, in the order in which they are looked for."""

MAP_COLUMNS = ("key", "value")
"""Columns of a map from image to labels, `{"im0.png": ["cat"]}`; a value that is an object has columns of its own."""

CATEGORY, CAPTION = "category", "caption"
"""Columns that COCO's annotations give to the images they belong to."""


def is_json(text: str) -> bool:
    """Whether a text is JSON, or lines of it, by how it begins."""
    start = text.lstrip()
    if re.match(r'(\[\s*)?\{\s*"[^"]*"\s*:', start):
        return True
    try:
        return start[:1] in ("{", "[") and bool(json.JSONDecoder().raw_decode(start))
    except ValueError:
        return False


def read_json(path: Path, key: str, text: str, names: set[str]) -> Table:
    """The table that a file of JSON is; `names` are the columns that a study speaks of.

    Raises TrainableError for JSON that is cut off, and for structure that is no table.
    """
    records, lines = _lines_of_records(path, key, text) or (None, [])
    if records is not None:
        return record_table(path, records, lines, unit="line")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise TrainableError(f"data.{key}: {path} is broken JSON ({error}); export it again") from error
    return _table_of(path, key, value, names)


def record_table(path: Path, records: list[dict[str, Any]], lines: list[int], *, unit: str = "record") -> Table:
    """Records as a table: a column for each key that any of them has."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [[cell_of(record.get(name)) for name in columns] for record in records]
    return Table(path, columns, rows, lines, "JSON", unit=unit)


def _lines_of_records(path: Path, key: str, text: str) -> tuple[list[dict[str, Any]], list[int]] | None:
    """The records of JSON Lines and where they stand; None for a text that is one value over all of its lines."""
    filled = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        first = json.loads(filled[0][1])
    except ValueError:
        return None
    if not isinstance(first, dict) or len(filled) == 1:
        return None
    records = []
    for number, line in filled:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise TrainableError(f"data.{key}: {path}, line {number} is broken JSON ({error})") from error
        if not isinstance(record, dict):
            raise TrainableError(f"data.{key}: {path}, line {number} is no JSON object; give one a line")
        records.append(record)
    return records, [number for number, _ in filled]


def _table_of(path: Path, key: str, value: Any, names: set[str]) -> Table:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return record_table(path, value, list(range(1, len(value) + 1)))
    if isinstance(value, dict) and isinstance(value.get("images"), list) and isinstance(value.get("annotations"), list):
        _refuse_captions(path, key, value, names)
        return coco_table(path, key, value)
    if isinstance(value, dict) and all(isinstance(value.get(name), list) for name in ("images", "categories")):
        raise TrainableError(
            f"data.{key}: {path} lists images and categories and no annotations (those of a test set are secret?); "
            "give a file with annotations, or data.test_fraction in place of this split"
        )
    if isinstance(value, dict) and names & value.keys():
        return _table_of_columns(path, key, value)
    if isinstance(value, dict):
        for name in RECORD_KEYS:
            if isinstance(value.get(name), list | dict) and value[name]:
                return _table_of(path, key, value[name], names)
        if value and len({_kind(item) for item in value.values()}) == 1:
            return _table_of_map(path, value)
    keys = f" with the keys {first_few(map(repr, value))}" if isinstance(value, dict) else ""
    raise TrainableError(
        f"data.{key}: {path} is JSON{keys}, not records of images; give a list of objects with a key for the image and "
        "one for its labels"
    )


def _kind(value: Any) -> type:
    return list if isinstance(value, list) else dict if isinstance(value, dict) else str


def _table_of_map(path: Path, value: dict[str, Any]) -> Table:
    name, content = MAP_COLUMNS
    records = [{name: k} | (v if isinstance(v, dict) else {content: v}) for k, v in value.items()]
    return record_table(path, records, list(range(1, len(records) + 1)))


def _table_of_columns(path: Path, key: str, value: dict[str, Any]) -> Table:
    columns = {name: list(v.values()) if isinstance(v, dict) else v for name, v in value.items()}
    lengths = {name: len(cells) for name, cells in columns.items() if isinstance(cells, list)}
    if len(lengths) < len(columns) or len(set(lengths.values())) > 1:
        raise TrainableError(f"data.{key}: {path} holds columns of unequal lengths ({lengths}); export it again")
    num = next(iter(lengths.values()))
    records = [{name: cells[i] for name, cells in columns.items()} for i in range(num)]
    return record_table(path, records, list(range(1, num + 1)))


def _annotations(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """COCO's annotations; of panoptic ones, which hold the segments of an image, one a segment."""
    for annotation in value["annotations"]:
        for segment in annotation.get("segments_info") or [{}]:
            yield annotation | segment


def _refuse_captions(path: Path, key: str, value: dict[str, Any], names: set[str]) -> None:
    """Raises TrainableError where labels are wanted of a file of sentences."""
    sentences = bool(value["annotations"]) and CAPTION in value["annotations"][0]
    if sentences and key == "tables" and names & {CATEGORY, CAPTION}:
        raise TrainableError(
            f"data.{key}: {path} holds sentences (captions of COCO), no labels; give the file of instances "
            "(instances_*.json) with label_column: category, and this one as caption_table, for lm-clip"
        )


def coco_table(path: Path, key: str, value: dict[str, Any]) -> Table:
    """The images of COCO's format (instances, captions, and what other tools export so), with columns for their
    annotations: `category`, the names of an image's categories, and `caption`.

    Raises TrainableError for annotations of images or of categories that the file does not list, and for categories
    that are called alike.
    """
    names = {item["id"]: str(item["name"]) for item in value.get("categories", [])}
    if twice := [name for name, num in Counter(names.values()).items() if num > 1]:
        raise TrainableError(
            f"data.{key}: {path} has several categories called {first_few(map(repr, twice))}; give each its own name"
        )
    ids = {image["id"] for image in value["images"]}
    columns: dict[str, dict[Any, list[str]]] = {CATEGORY: defaultdict(list), CAPTION: defaultdict(list)}
    for number, annotation in enumerate(_annotations(value), 1):
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in ids or (category is not None and category not in names):
            missing = f"category {category!r}" if image in ids else f"image {image!r}"
            raise TrainableError(
                f"data.{key}: {path}, annotation {number} is of {missing}, which the file does not list; export it "
                "again"
            )
        if category is not None and names[category] not in columns[CATEGORY][image]:
            columns[CATEGORY][image].append(names[category])
        if CAPTION in annotation:
            columns[CAPTION][image].append(annotation[CAPTION])
    used = [name for name, lists in columns.items() if lists or (name == CATEGORY and names)]
    records = [image | {name: columns[name][image["id"]] for name in used} for image in value["images"]]
    if not records:
        raise TrainableError(f"data.{key}: {path} lists {plural(0, 'image')}; export it again")
    table = record_table(path, records, list(range(1, len(records) + 1)))
    return table
