"""How decoded images are put into the cache: as pixels, or as JPEGs. What was settled is gone on with after a kill."""

import os
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from evenkeel.trainables.data.jpeg_store import JPEG_CONTENT_FILE, JPEG_ENDS_FILE, JPEG_SHAPE_FILE, encode_jpeg


class Store(Protocol):
    """Images [N, S, S, 1 or 3] uint8 on their way to the disk; `num_bytes` is what they take, or about that."""

    num_bytes: int

    @classmethod
    def empty(cls, part: Path, shape: tuple[int, ...], num_bytes: int) -> Self:
        """A new one in the folder `part`."""
        ...

    @classmethod
    def resumed(cls, part: Path, shape: tuple[int, ...], done: int) -> Self:
        """The one in `part`, of which so many rows were settled. Raises OSError or ValueError when it is none."""
        ...

    def put(self, row: int, image: np.ndarray) -> None:
        """Take one image [S, S, 1 or 3] uint8; threads may call this at once."""
        ...

    def settle(self, rows: range) -> None:
        """Bring these rows, which follow what was settled before, to the disk."""
        ...


class PixelStore:
    """`images.npy` [N, S, S, 1 or 3] uint8, memory-mapped."""

    def __init__(self, images: np.memmap) -> None:
        self.images, self.num_bytes = images, images.nbytes

    @classmethod
    def empty(cls, part: Path, shape: tuple[int, ...], num_bytes: int) -> Self:
        return cls(empty(part / "images.npy", shape))

    @classmethod
    def resumed(cls, part: Path, shape: tuple[int, ...], done: int) -> Self:
        images = np.load(part / "images.npy", mmap_mode="r+")
        if images.shape != shape:
            raise ValueError(f"{part} holds {images.shape}, not {shape}")
        return cls(images)

    def put(self, row: int, image: np.ndarray) -> None:
        self.images[row] = image

    def settle(self, rows: range) -> None:
        self.images.flush()


class JpegStore:
    """JPEGs of images [S, S, 1 or 3] uint8 one after the other, and where each ends: what `JpegImages` reads."""

    def __init__(self, part: Path, ends: np.memmap, num_bytes: int) -> None:
        self.part, self.ends, self.num_bytes = part, ends, num_bytes
        self.waiting: dict[int, bytes] = {}

    @classmethod
    def empty(cls, part: Path, shape: tuple[int, ...], num_bytes: int) -> Self:
        (part / JPEG_CONTENT_FILE).touch()
        np.save(part / JPEG_SHAPE_FILE, shape)
        return cls(
            part,
            np.lib.format.open_memmap(part / JPEG_ENDS_FILE, mode="w+", dtype=np.int64, shape=shape[:1]),
            num_bytes,
        )

    @classmethod
    def resumed(cls, part: Path, shape: tuple[int, ...], done: int) -> Self:
        ends = np.load(part / JPEG_ENDS_FILE, mmap_mode="r+")
        if tuple(np.load(part / JPEG_SHAPE_FILE)) != shape:
            raise ValueError(f"{part} holds other images")
        settled = int(ends[done - 1])
        if (part / JPEG_CONTENT_FILE).stat().st_size < settled:
            raise ValueError(f"{part} was cut off")
        os.truncate(part / JPEG_CONTENT_FILE, settled)
        return cls(part, ends, settled * len(ends) // done)

    def put(self, row: int, image: np.ndarray) -> None:
        self.waiting[row] = encode_jpeg(image)

    def settle(self, rows: range) -> None:
        with (self.part / JPEG_CONTENT_FILE).open("ab") as content:
            for row in rows:
                content.write(self.waiting.pop(row, b""))
                self.ends[row] = content.tell()
            content.flush()
            os.fsync(content.fileno())
        self.ends.flush()


def mapped(path: Path) -> np.memmap:
    """An array of the cache, read where it lies."""
    return np.load(path, mmap_mode="r")


def empty(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A memory-mapped file of bytes whose room is taken at once: a full disk is an error here, not a crash later."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return array
