"""Folders with a file of labels for each image: YOLO's text, Pascal VOC's XML, LabelMe's JSON."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.trainables.data.csv.json_tables import CATEGORY, record_table
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.errors import TrainableError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

IMAGE_COLUMN = "image"
"""The column of the image's name; the labels are in `category`."""

NO_LABELS = {"classes.txt", "labels.txt", "obj.names", "notes.json"}
"""Files that label tools put beside those of labels."""


def read_label_folder(path: Path, key: str) -> Table:
    """A row for each file of labels in a folder, sub-folders included. Raises TrainableError for one that is broken."""
    files = label_files(path, key)
    records = []
    for file in files:
        try:
            name = file.relative_to(path).with_suffix("").as_posix()
            records.append({IMAGE_COLUMN: name} | READERS[file.suffix](file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, OSError) as error:
            raise TrainableError(f"data.{key}: {file} holds no labels of an image ({error}); mend it") from error
    table = record_table(path, records, list(range(1, len(records) + 1)), unit="file")
    return replace(table, container=f"folder of {files[0].suffix}")


def label_files(path: Path, key: str) -> list[Path]:
    """The files of labels in a folder, of the kind that most are of. Raises TrainableError when there are none."""
    files = [file for file in sorted(path.rglob("*")) if file.suffix in READERS and file.name not in NO_LABELS]
    if not files:
        raise TrainableError(
            f"data.{key}: {path} is a folder without files of labels (.txt, .xml or .json); give a table, or leave "
            "tables out where each folder of images is a class"
        )
    suffix = Counter(file.suffix for file in files).most_common(1)[0][0]
    return [file for file in files if file.suffix == suffix]


def _yolo(text: str) -> dict[str, Any]:
    """Lines `class x y w h`: the numbers of the classes, each once."""
    numbers = [line.split()[0] for line in text.splitlines() if line.strip()]
    if wrong := next((number for number in numbers if not number.isdigit()), None):
        raise ValueError(f"{wrong!r} is no class number")
    return {CATEGORY: list(dict.fromkeys(numbers))}


def _voc(text: str) -> dict[str, Any]:
    """`<annotation>` with a file name and objects."""
    root = _parse_xml(text)
    names = [item.findtext("name", "").strip() for item in root.iter("object")]
    return {"filename": root.findtext("filename", "").strip(), CATEGORY: list(dict.fromkeys(filter(None, names)))}


def _parse_xml(text: str) -> "Element":
    """The root. Raises ValueError."""
    from xml.etree import ElementTree

    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error


def _labelme(text: str) -> dict[str, Any]:
    """The object that a tool writes for an image, without the image itself."""
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("no JSON object")
    labels = [str(shape["label"]) for shape in record.get("shapes", [])]
    return {name: value for name, value in record.items() if name not in ("imageData", IMAGE_COLUMN)} | (
        {CATEGORY: list(dict.fromkeys(labels))} if "shapes" in record else {}
    )


READERS: dict[str, Callable[[str], dict[str, Any]]] = {".txt": _yolo, ".xml": _voc, ".json": _labelme}
"""Suffix of a file of labels -> what it says of its image."""


def read_cvat(path: Path, key: str, text: str) -> Table:
    """CVAT's `<annotations>` for images: the name of each, and the labels of its tags and shapes."""
    try:
        root = _parse_xml(text)
    except ValueError as error:
        raise TrainableError(f"data.{key}: {path} is broken XML ({error}); export it again") from error
    images = list(root.iter("image"))
    if root.tag != "annotations" or not images:
        raise TrainableError(
            f"data.{key}: {path} is XML with <{root.tag}>, not CVAT's <annotations> of images; export a table or COCO"
        )
    records: list[dict[str, Any]] = [
        {"name": image.get("name", ""), CATEGORY: list(dict.fromkeys(item.get("label", "") for item in image))}
        for image in images
    ]
    return record_table(path, records, list(range(1, len(records) + 1)), unit="image")
