"""Data sets in the layouts in which they are published: each says how `csv` reads its tables and folders."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from evenkeel.trainables.data.csv.data_set import CsvTable
from evenkeel.trainables.data.image_files import ImageFileSettings
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import ALL_ROWS, DataSettings, Validation
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import PathText

Task = Literal["one-hot", "one-vs-rest"]


SHARED_KEYS = ("root", "validation", "on_bad_image", "stored", "intensity")
"""Keys that say the same of a published layout and of its table."""


class SingleLabel(DataSettings):
    """Data with one label an image."""

    task: Task = Field(
        "one-hot", description="one-hot: classes exclude each other, for any loss; one-vs-rest: no softmax losses"
    )

    @property
    def softmax(self) -> bool:
        return self.task == "one-hot"

    def checked(self, loaded: ImageSet) -> ImageSet:
        """`loaded`, if every image has exactly one label or need not. Raises TrainableError."""
        wrong = np.flatnonzero(loaded.targets.sum(1, dtype=np.int64) != 1)
        if self.task == "one-hot" and len(wrong):
            raise TrainableError(
                f"data.task: {len(wrong):,} of {len(loaded.targets):,} images have no label or several (the first is "
                f"row {wrong[0]}), one-hot needs exactly one; correct the table, or set data.task: one-vs-rest"
            )
        return loaded


class Published(ImageFileSettings):
    """A published layout under `root`."""

    name: str
    root: PathText = Field(description="the folder into which the data was unpacked")
    validation: Validation | None = Field(
        Validation(), description=f"carved from train; null: the official split; {ALL_ROWS}"
    )

    @abstractmethod
    def layout(self) -> dict[str, Any]:
        """The keys of `csv` that read it, without name and what is SHARED_KEYS."""

    def table(self) -> CsvTable:
        """The layout as a table of labels and folders of images."""
        return CsvTable.model_validate({key: getattr(self, key) for key in SHARED_KEYS} | self.layout())

    def fingerprint(self) -> str:
        with self._explained():
            return self.table().fingerprint()

    def load(self, image_size: int, cache: Path) -> ImageSet:
        with self._explained():
            return self.table().load(image_size, cache)

    def describe(self) -> DataSummary | None:
        with self._explained():
            return self.table().describe()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except TrainableError as error:
            raise TrainableError(f"{error} (docs/data.md shows the folder that {self.name} expects)") from error


class PublishedSingleLabel(SingleLabel, Published):
    """A published layout with one label an image."""

    def load(self, image_size: int, cache: Path) -> ImageSet:
        return self.checked(super().load(image_size, cache))
