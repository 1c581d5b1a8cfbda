"""Images that lie as JPEGs, for a set whose pixels no disk would hold: decoded when they are asked for."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from evenkeel.trainables.resources import usable_cpus

JPEG_CONTENT_FILE, JPEG_ENDS_FILE, JPEG_SHAPE_FILE = "images.bin", "ends.npy", "shape.npy"

JPEG_QUALITY = 95
"""Of the JPEGs, colour at full resolution: photographs are off by less than one level of 256 in the mean."""


def encode_jpeg(image: np.ndarray) -> bytes:
    """One image [S, S, 1 or 3] uint8 as a JPEG."""
    from PIL import Image

    content = BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        content, "JPEG", quality=JPEG_QUALITY, subsampling=0
    )
    return content.getvalue()


class JpegImages:
    """Images [N, S, S, 1 or 3] uint8 of a folder that `JpegStore` filled, indexed by rows as an array is.

    A row that was never encoded is black.
    """

    def __init__(self, folder: Path, rows: np.ndarray | None = None) -> None:
        self.folder = folder
        ends = np.load(folder / JPEG_ENDS_FILE)
        self.image_shape = tuple(np.load(folder / JPEG_SHAPE_FILE).tolist())[1:]
        self._bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], 1)
        self._rows = np.arange(len(ends)) if rows is None else rows
        self._content = np.memmap(folder / JPEG_CONTENT_FILE, mode="r") if ends[-1] else np.empty(0, np.uint8)

    @staticmethod
    def lies_in(folder: Path) -> bool:
        """Whether `folder` is one of these."""
        return (folder / JPEG_ENDS_FILE).exists()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), *self.image_shape

    def take(self, rows: np.ndarray) -> "JpegImages":
        """Some of the rows, by their numbers [M]; nothing is copied."""
        return JpegImages(self.folder, self._rows[rows])

    def __getitem__(self, rows: Any) -> np.ndarray:
        numbers = self._rows[rows]
        if numbers.ndim == 0:
            return self._decode(numbers)
        whole = np.empty((len(numbers), *self.image_shape), dtype=np.uint8)
        for k, image in enumerate(_pool(os.getpid()).map(self._decode, numbers)):
            whole[k] = image
        return whole

    def _decode(self, row: int) -> np.ndarray:
        from PIL import Image

        start, end = self._bounds[row]
        if start == end:
            return np.zeros(self.image_shape, dtype=np.uint8)
        with Image.open(BytesIO(self._content[start:end].data)) as image:
            return np.asarray(image).reshape(self.image_shape)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Decoders of this process; a forked one has its own."""
    return ThreadPoolExecutor(max_workers=usable_cpus())
