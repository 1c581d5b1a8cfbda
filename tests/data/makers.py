"""Small images and tables in the forms in which people publish theirs."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evenkeel.trainables.data import DataSet, data_set

Files = dict[str, bytes | str]


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def shade(value: int, side: int = 12) -> bytes:
    """A PNG of one grey value."""
    return encoded(Image.new("RGB", (side, side), (value,) * 3))


def zipped(files: Files) -> bytes:
    """The bytes of a zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write(folder: Path, files: Files) -> Path:
    """Write files, making folders as needed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def csv_table(root: Path, **changes: Any) -> DataSet:
    """labels.csv with image_id, tags, split beside a folder of images, changed as told."""
    given = {"root": str(root), "tables": {"all": "labels.csv"}, "images": {"all": "images"}}
    labels = {} if "label_columns" in changes else {"label_column": "tags", "separator": ";"}
    splits = {} if "test_fraction" in changes or "tables" in changes else {"split_column": "split"}
    return data_set({"name": "csv"} | given | labels | splits | changes)


def six(root: Path) -> Path:
    """Six images 0, 40, .. 200 grey with cat and dog in train, val and test."""
    rows = ["cat;dog,train", "dog,train", "cat,val", "dog,val", "cat,test", "dog;cat,test"]
    table = "image_id,tags,split\n" + "".join(f"im{i},{row}\n" for i, row in enumerate(rows))
    return write(root, {"labels.csv": table} | {f"images/im{i}.png": shade(40 * i) for i in range(6)})


SIX_TARGETS = np.array([[1, 1], [0, 1], [1, 0], [0, 1], [1, 0], [1, 1]])
