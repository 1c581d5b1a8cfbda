"""Long-tailed subsets of VOC and COCO by published lists of images (Wu et al. 2020).

The lists are those that the LMPT and LM-CLIP authors publish with their code: a line an image, its path and the numbers
of its classes; and a line a class, its name and number.
"""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from evenkeel.trainables.data.checksums import checksums
from evenkeel.trainables.data.csv.label_oddities import class_oddities
from evenkeel.trainables.data.csv.labels import Labels
from evenkeel.trainables.data.csv.overview import describe_rows
from evenkeel.trainables.data.csv.rows import Listing, Rows
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.decoding import ImageFormat
from evenkeel.trainables.data.image_files import ImageFileSettings
from evenkeel.trainables.data.image_lookup import ImageFile, ImageSource
from evenkeel.trainables.data.image_set import SPLITS, ImageArray, ImageSet, no_images
from evenkeel.trainables.data.phrases import first_few
from evenkeel.trainables.data.settings import ALL_ROWS, Validation
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import PathText, at_home

LISTS = {"train": "lt_train", "test": "lt_test"}
"""Split -> the name of its list, behind the prefix of the set."""


class Mlt(ImageFileSettings):
    """Published lists of images beside folders of images."""

    prefix: ClassVar[str]
    """What the names of the lists begin with."""
    files_key: ClassVar[str] = "root"

    root: PathText = Field(description="the folder of the images, as the lists name them")
    lists: PathText | None = Field(None, description="the folder of the lists; root if none")
    validation: Validation | None = Field(
        Validation(), description=f"carved from train; there is no official one; {ALL_ROWS}"
    )

    def fingerprint(self) -> str:
        """Hash of the lists and of the images they name."""
        digest = hashlib.sha256()
        for name in ("labels", "lt_train", "lt_test"):
            digest.update(self._list(name).read_bytes())
        files = [file for file in self._rows()[0].files if isinstance(file, ImageFile)]
        marks = checksums(files)
        for line in sorted(marks[file] for file in files):
            digest.update(line.encode())
        return digest.hexdigest()[:16]

    def load(self, image_size: int, cache: Path) -> ImageSet:
        rows, order = self._rows()
        image_format = ImageFormat(image_size, grey=False, stored=self.stored, intensity=self.intensity)
        available = self.available(rows.ids, rows.files, image_format, cache, at_home(self.root))
        loaded = _image_set(rows.take(available.rows), [order[row] for row in available.rows], available.images)
        return replace(loaded, skipped=available.skipped)

    def describe(self) -> DataSummary:
        """What was understood of lists and folders. Raises TrainableError."""
        rows, order = self._rows()
        tables = [(part, self._table(part)) for part in LISTS]
        parts = [part for part, table in tables for _ in table.rows]
        lines = [table.line(row) for _, table in tables for row in range(len(table.rows))]
        listing = Listing(tables, [], parts, lines, rows.ids, [], rows.files)
        return describe_rows(self, self.validation, listing, rows, _image_set(rows, order, no_images(len(rows.ids))))

    def _list(self, name: str) -> Path:
        path = at_home(self.lists or self.root) / f"{self.prefix}_{name}.txt"
        if not path.is_file():
            key = "lists" if self.lists else "root"
            if pickles := sorted(file.name for file in path.parent.glob("*.pkl")):
                raise TrainableError(
                    f"data.{key}: {path.parent} holds {first_few(pickles)}, pickles of the published code of the "
                    f"distribution-balanced loss, which are not read; take the lists of LMPT's code ({path.name} and "
                    "others, docs/data.md says where), which hold the same images and classes"
                )
            raise TrainableError(f"data.{key}: {path} does not exist; docs/data.md says where the lists are")
        return path

    def _classes(self) -> list[str]:
        """Names in the order of their numbers."""
        path, named = self._list("labels"), {}
        for line, text in _lines(path):
            match = re.fullmatch(r"(\S.*?)\s+(\d+)", text)
            if not match:
                raise TrainableError(f"data.lists: {path}, line {line}: {text!r} is not a name and a number")
            named[int(match[2])] = match[1]
        if sorted(named) != list(range(len(named))) or not named:
            raise TrainableError(f"data.lists: {path}: the numbers must be 0 to {len(named) - 1}, each once")
        return [named[number] for number in range(len(named))]

    def _table(self, part: str) -> Table:
        """A list: image and class numbers of each line. Raises TrainableError."""
        path, num = self._list(LISTS[part]), len(self._classes())
        lines = _lines(path)
        for line, text in lines:
            if any(not (number.isdigit() and int(number) < num) for number in text.split()[1:]):
                raise TrainableError(f"data.lists: {path}, line {line}: class numbers must be 0 to {num - 1}")
        rows = [[*text.split(maxsplit=1), ""][:2] for _, text in lines]
        return Table(path, ["image", "classes"], rows, [line for line, _ in lines], "images and class numbers")

    def _rows(self) -> tuple[Rows, list[list[int]]]:
        """The rows of both lists, and the class numbers of each in the order of the list."""
        classes, source = self._classes(), ImageSource(at_home(self.root), ())
        cells = [(part, *row) for part in LISTS for row in self._table(part).rows]
        ids = [image for _, image, _ in cells]
        files = [
            ImageFile(source, image) if (source.path / image).is_file() else f"no such file in {source.path}"
            for image in ids
        ]
        order = [list(dict.fromkeys(map(int, numbers.split()))) for _, _, numbers in cells]
        targets = np.zeros((len(ids), len(classes)), dtype=np.uint8)
        for row, numbers in enumerate(order):
            targets[row, numbers] = 1
        split = np.array([SPLITS.index(part) for part, _, _ in cells], dtype=np.uint8)
        return Rows(ids, files, Labels(classes, targets, None), split, None, class_oddities(classes, targets)), order


def _image_set(rows: Rows, order: list[list[int]], images: ImageArray) -> ImageSet:
    labels = rows.labels
    return ImageSet(images, labels.targets, rows.split, None, labels.classes, label_order=order)


def _lines(path: Path) -> list[tuple[int, str]]:
    """(number, text) of the lines that are not blank."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
