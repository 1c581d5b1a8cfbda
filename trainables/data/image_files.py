"""Settings of data sets whose images are files: how they are kept once decoded, and what a bad one does."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from evenkeel.trainables.data.decoding import ImageFormat, Stored, decoded
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.data.intensity import Window
from evenkeel.trainables.data.phrases import plural, shortened
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import SWITCH

NUM_BAD_IMAGES_LISTED = 10
"""How many bad images an error names."""


@dataclass(frozen=True)
class AvailableImages:
    """The rows whose images can be had, these images, and why others are left out."""

    rows: np.ndarray
    images: ImageArray
    skipped: tuple[str, ...]


class ImageFileSettings(DataSettings):
    """Images are files."""

    files_key: ClassVar[str] = "images"
    """Which key says where they are."""

    on_bad_image: Annotated[Literal["fail", "skip"], SWITCH] = Field(
        "fail", description="what a missing or broken image does"
    )
    intensity: Annotated[Window, SWITCH] = Field(
        "full",
        description="which values of a file become black and white: full (all that its format holds, of DICOM its own "
        "window), range (its smallest and largest), percentile (0.5 and 99.5), or [low, high]",
    )
    stored: Annotated[Stored, SWITCH] = Field(
        "pixels",
        description="how decoded images lie in the cache; jpeg takes a fifth to an eighth of the room, is decoded for "
        "each batch, and changes pixels a little",
    )

    @field_validator("intensity")
    @classmethod
    def _rising(cls, value: Window) -> Window:
        if isinstance(value, tuple) and not value[0] < value[1]:
            raise ValueError(f"must be [low, high] with low < high, got {[*value]}")
        return value

    def available(
        self, ids: Sequence[str], files: Sequence[ImageFile | str], image_format: ImageFormat, cache: Path, root: Path
    ) -> AvailableImages:
        """Decode what is not in the cache yet; for a text in place of a file there is no image, and it says why.

        Raises TrainableError that lists every image that cannot be had, where none may be skipped.
        """
        found_rows = [row for row, file in enumerate(files) if isinstance(file, ImageFile)]
        decoded_images = decoded([file for file in files if isinstance(file, ImageFile)], image_format, cache)
        bad = {row: file for row, file in enumerate(files) if isinstance(file, str)}
        bad |= {found_rows[i]: f"{files[found_rows[i]]} {why}" for i, why in decoded_images.bad.items()}
        if refusal := self.refusal(ids, bad):
            raise TrainableError(refusal)
        good = np.array([row for row in range(len(files)) if row not in bad], dtype=np.int64)
        # Readers elsewhere, to whom the root of this machine says nothing, see these texts too.
        skipped = tuple(text.replace(f"{root}{os.sep}", "") for text in _named(ids, bad))
        return AvailableImages(good, decoded_images.good(), skipped)

    def refusal(self, ids: Sequence[str], bad: dict[int, str]) -> str | None:
        """Why bad rows stop the study, if they do."""
        if not bad or (self.on_bad_image == "skip" and len(bad) < len(ids)):
            return None
        return (
            f"data.{self.files_key}: {plural(len(bad), 'image')} of {len(ids):,} cannot be had: "
            f"{_by_reason(ids, bad)}; "
            "mend them, remove their rows, or give data.on_bad_image: skip"
        )


def _by_reason(ids: Sequence[str], bad: dict[int, str]) -> str:
    """The first few bad images, each reason once, and how many more there are."""
    reasons: dict[str, list[str]] = {}
    for row, why in sorted(bad.items())[:NUM_BAD_IMAGES_LISTED]:
        reasons.setdefault(why, []).append(repr(shortened(ids[row])))
    texts = [f"image{'s' if len(names) > 1 else ''} {', '.join(names)}: {why}" for why, names in reasons.items()]
    more = f" and {len(bad) - NUM_BAD_IMAGES_LISTED:,} more" if len(bad) > NUM_BAD_IMAGES_LISTED else ""
    return ", ".join(texts) + more


def _named(ids: Sequence[str], bad: dict[int, str]) -> list[str]:
    return [f"image {ids[row]!r}: {why}" for row, why in sorted(bad.items())]
