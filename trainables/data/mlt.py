"""Long-tailed subsets of VOC and COCO by published lists of images (Wu et al. 2020).

The lists are those that the LMPT and LM-CLIP authors publish with their code: a line an image, its path and the numbers
of its classes; and a line a class, its name and number.
"""

import hashlib
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from evenkeel.trainables.data.checksums import checksums
from evenkeel.trainables.data.decoding import ImageFormat
from evenkeel.trainables.data.image_files import ImageFileSettings
from evenkeel.trainables.data.image_lookup import ImageFile, ImageSource
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import PathText, at_home


class Mlt(ImageFileSettings):
    """Published lists of images beside folders of images."""

    prefix: ClassVar[str]
    """What the names of the lists begin with."""
    files_key: ClassVar[str] = "root"

    root: PathText = Field(description="the folder of the images, as the lists name them")
    lists: PathText | None = Field(None, description="the folder of the lists; root if none")
    validation: Validation | None = Field(Validation(), description="carved from train; there is no official one")

    def fingerprint(self) -> str:
        """Hash of the lists and of the images they name."""
        digest = hashlib.sha256()
        for name in ("labels", "lt_train", "lt_test"):
            digest.update(self._list(name).read_bytes())
        files = [file for file in self._rows()[1] if isinstance(file, ImageFile)]
        marks = checksums(files)
        for line in sorted(marks[file] for file in files):
            digest.update(line.encode())
        return digest.hexdigest()[:16]

    def load(self, image_size: int, cache: Path) -> ImageSet:
        ids, files, labels, split = self._rows()
        available = self.available(
            ids,
            files,
            ImageFormat(image_size, grey=False, stored=self.stored, intensity=self.intensity),
            cache,
            at_home(self.root),
        )
        classes = self._classes()
        targets = np.zeros((len(files), len(classes)), dtype=np.uint8)
        for row, numbers in enumerate(labels):
            targets[row, numbers] = 1
        return ImageSet(
            available.images, targets[available.rows], split[available.rows], None, classes, skipped=available.skipped
        )

    def _list(self, name: str) -> Path:
        path = at_home(self.lists or self.root) / f"{self.prefix}_{name}.txt"
        if not path.is_file():
            key = "lists" if self.lists else "root"
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

    def _rows(self) -> tuple[list[str], list[ImageFile | str], list[list[int]], np.ndarray]:
        """Name, file (or why there is none), class numbers and split of all lines."""
        num, source = len(self._classes()), ImageSource(at_home(self.root), ())
        ids: list[str] = []
        files: list[ImageFile | str] = []
        labels, split = [], []
        for code, name in ((0, "lt_train"), (2, "lt_test")):
            path = self._list(name)
            for line, text in _lines(path):
                image, *numbers = text.split()
                if any(not (number.isdigit() and int(number) < num) for number in numbers):
                    raise TrainableError(f"data.lists: {path}, line {line}: class numbers must be 0 to {num - 1}")
                ids.append(image)
                exists = (source.path / image).is_file()
                files.append(ImageFile(source, image) if exists else f"is not in {source.path}")
                labels.append([int(number) for number in numbers])
                split.append(code)
        return ids, files, labels, np.array(split, dtype=np.uint8)


def _lines(path: Path) -> list[tuple[int, str]]:
    """(number, text) of the lines that are not blank."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
