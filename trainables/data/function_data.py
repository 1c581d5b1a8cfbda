"""Data that a training function brings itself."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field

from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import PathText

FUNCTION_DATA = {"name": "by-function"}
"""What a study file may leave out."""


class FunctionData(DataSettings):
    """Whatever a training function loads itself; files named here are part of every trial's id."""

    name: Literal["by-function"] = "by-function"
    title: str = Field("own data", description="how the report calls it")
    files: list[PathText] = Field([], description="files whose contents decide a result; `data` of the function")
    validation: None = Field(None, description="none: the function splits its data")

    def fingerprint(self) -> str:
        """A hash of the contents of the files. Raises TrainableError for one that is not there."""
        hashed = hashlib.sha256()
        for name in self.files:
            try:
                with open(name, "rb") as file:
                    hashed.update(f"{Path(name).name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
            except OSError as error:
                raise TrainableError(f"data.files: {name}: {error.strerror}; correct the path") from error
        return hashed.hexdigest()[:16]

    def load(self, image_size: int, cache: Path) -> ImageSet:
        """There are no images to load. Raises TrainableError."""
        raise TrainableError(
            "data: by-function is for a training function that loads its data itself; give this trainable a data set"
        )
