"""What every data set gives: images as bytes, multi-hot targets, a split per row."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.data.summary import DataSummary

SPLITS = ("train", "val", "test")
"""Codes 0, 1, 2 in `ImageSet.split`."""


def no_images(num_rows: int) -> np.ndarray:
    """Images [N, 0, 0, 1] of no pixels, where only the rows are looked at."""
    return np.empty((num_rows, 0, 0, 1), dtype=np.uint8)


class ImageArray(Protocol):
    """Images [N, S, S, 1 or 3] uint8, indexed by row numbers, a slice or a mask of them as an array is."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


@dataclass(frozen=True)
class ImageSet:
    """Images [N, S, S, channels] uint8, targets [N, C] uint8, split [N] uint8, group [N] (or None), class names [C].

    `label_order` [N] are the class numbers of each row in the order in which the data lists them; None without one.
    `label_mask` [N, C] bool is False where a label is missing (None: none is): such an entry, whose target is 0,
    has no part in a loss or a metric. `skipped` says which rows were left out because their image cannot be had.
    `captions` [N] are the sentences that describe each image, as the data has them; None where it has none.
    """

    images: ImageArray
    targets: np.ndarray
    split: np.ndarray
    group: np.ndarray | None
    classes: list[str]
    label_mask: np.ndarray | None = None
    skipped: tuple[str, ...] = ()
    label_order: list[list[int]] | None = None
    captions: list[list[str]] | None = None

    def rows(self, split: str) -> np.ndarray:
        """Row numbers [M] of one split, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def training_captions(self, validation: Validation | None) -> list[list[str]] | None:
        """The sentences of each row that may be trained on: of the train split, and of val where it is carved anew."""
        if self.captions is None:
            return None
        rows = self.split != SPLITS.index("test") if validation else self.split == SPLITS.index("train")
        return [self.captions[row] for row in np.flatnonzero(rows)]

    def keep_classes(self, kept: np.ndarray) -> "ImageSet":
        """The same rows with some of the classes; `kept` is a mask [C]."""
        names = [name for name, keep in zip(self.classes, kept, strict=True) if keep]
        mask = None if self.label_mask is None else self.label_mask[:, kept]
        numbers = np.cumsum(kept) - 1
        order = self.label_order and [[int(numbers[c]) for c in row if kept[c]] for row in self.label_order]
        return replace(self, targets=self.targets[:, kept], classes=names, label_mask=mask, label_order=order)

    def train_counts(self) -> np.ndarray:
        """Positives of each class in train, [C]."""
        return self.targets[self.split == SPLITS.index("train")].sum(0, dtype=np.int64)


class DataSet(Protocol):
    """A data set as a study file writes it; a frozen settings model. Rows are images, columns are classes."""

    @property
    def name(self) -> str: ...

    @property
    def validation(self) -> Validation | None:
        """How validation rows are carved from train, or None for a fixed split."""
        ...

    @property
    def softmax(self) -> bool:
        """Whether losses that let classes compete may be used where every image has one label."""
        ...

    def fingerprint(self) -> str:
        """A hash of the contents (not of where they lie): it is part of every trial's id."""
        ...

    def identity(self) -> dict[str, Any]:
        """What decides a result: the settings without paths, and the fingerprint."""
        ...

    def describe(self) -> DataSummary | None:
        """What was understood of the files, cheaply and before anything runs; None when there is nothing to say."""
        ...

    def load(self, image_size: int, cache: Path) -> ImageSet:
        """Decode (once; cached) and check everything. Raises TrainableError naming file, value, rule and way out."""
        ...
