"""From image files to images that lie ready in the cache: decoded once, in parallel, never held in memory whole.

Where decoding was cut off it goes on; how far it has come is said while it lasts.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evenkeel.trainables.cache import made_once, write_whole
from evenkeel.trainables.data.checksums import checksums
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.data.intensity import Window
from evenkeel.trainables.data.jpeg_store import JPEG_QUALITY, JpegImages, encode_jpeg
from evenkeel.trainables.data.pixel_stores import JpegStore, PixelStore, Store, empty, mapped
from evenkeel.trainables.data.pixels import BadImage, library, pixels
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.progress import progress
from evenkeel.trainables.resources import usable_cpus

Stored = Literal["pixels", "jpeg"]

DECODING_VERSION = 2
"""Raised when the same file would give other pixels, so that old caches are left alone."""

NUM_IMAGES_DECODED_AT_ONCE = 1024
"""So many images are decoded between two notes of how far it has come."""

DONE_FILE = "done.json"
"""Says how many rows are done, beside the folder that is filled."""

NUM_IMAGES_COPIED_AT_ONCE = 256
"""So many images are in memory at once when rows are copied."""

NUM_JPEGS_SAMPLED = 16
"""So many images tell how much room JPEGs take."""


@dataclass(frozen=True)
class Decoded:
    """A folder of images [N, size, size, 1 or 3] uint8; `bad` says why a row is black instead."""

    folder: Path
    bad: dict[int, str]

    @property
    def images(self) -> ImageArray:
        """All rows, mapped from where they lie."""
        return JpegImages(self.folder) if JpegImages.lies_in(self.folder) else mapped(self.folder / "images.npy")

    def good(self) -> ImageArray:
        """The rows that are not bad; pixels are written to a file of their own once, where there are bad ones."""
        images = self.images
        if not self.bad:
            return images
        rows = np.array([row for row in range(len(images)) if row not in self.bad], dtype=np.int64)
        if isinstance(images, JpegImages):
            return images.take(rows)
        kept = self.folder.with_name(f"{self.folder.name}-good.npy")
        return mapped(made_once(kept, lambda path: _take_rows(images, rows, path)))


@dataclass(frozen=True)
class ImageFormat:
    """How images are to lie: pixels of a side, in one channel or three, as they are or as JPEGs."""

    size: int
    grey: bool
    stored: Stored = "pixels"
    intensity: Window = "full"

    def decisive(self) -> list[object]:
        """What makes another cache of the same files."""
        stored = [] if self.stored == "pixels" else [self.stored, JPEG_QUALITY]
        return [self.size, self.grey, *stored, *([] if self.intensity == "full" else [self.intensity])]

    def pixels(self, file: ImageFile) -> np.ndarray:
        """One image in this format, [size, size, 1 or 3] uint8. Raises BadImage; TrainableError."""
        return pixels(file, self.size, self.grey, self.intensity)


def decoded(files: Sequence[ImageFile], image_format: ImageFormat, cache: Path) -> Decoded:
    """The pixels of `files`, from the cache where they are known. Raises TrainableError when there is no room."""
    try:
        marks = checksums(files)
        decisive = [DECODING_VERSION, library(files), *image_format.decisive(), *(marks[file] for file in files)]
        key = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
        folder = made_once(cache / f"images-{key}", lambda path: _decode(files, image_format, path), resumes=True)
    except OSError as error:
        raise TrainableError(
            f"{cache}: cannot hold the decoded images ({error.strerror}); free space there, or set EVENKEEL_CACHE"
        ) from error
    bad = json.loads((folder / "bad.json").read_text(encoding="utf-8"))
    return Decoded(folder, {int(row): why for row, why in bad.items()})


def _decode(files: Sequence[ImageFile], image_format: ImageFormat, folder: Path) -> None:
    """Fill `folder`, or what is missing of it; how far it has come is noted beside it."""
    store, done, bad = _begun(files, image_format, folder)
    _fill(store, files, image_format, folder, done, bad)


def _begun(files: Sequence[ImageFile], image_format: ImageFormat, folder: Path) -> tuple[Store, int, dict[int, str]]:
    """What was decoded before, how many rows, and the bad ones; where nothing can be gone on with, an empty store."""
    shape = (len(files), image_format.size, image_format.size, 1 if image_format.grey else 3)
    kind: type[Store] = JpegStore if image_format.stored == "jpeg" else PixelStore
    try:
        noted = json.loads(folder.with_name(DONE_FILE).read_text(encoding="utf-8"))
        return (
            kind.resumed(folder, shape, noted["done"]),
            noted["done"],
            {int(r): why for r, why in noted["bad"].items()},
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return kind.empty(folder, shape, _room(files, image_format, folder, shape)), 0, {}


def _fill(
    store: Store, files: Sequence[ImageFile], image_format: ImageFormat, folder: Path, done: int, bad: dict[int, str]
) -> None:
    def fill(row: int) -> None:
        try:
            store.put(row, image_format.pixels(files[row]))
        except BadImage as error:
            bad[row] = str(error)

    cache = folder.parents[1]
    task = f"decoding images ({store.num_bytes / 1e9:.1f} GB in {cache})"
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(max_workers=usable_cpus()) as pool,
        progress(cache, task, len(files)) as show_progress,
    ):
        warnings.simplefilter("ignore")
        for start in range(done, len(files), NUM_IMAGES_DECODED_AT_ONCE):
            show_progress(start)
            rows = range(start, min(start + NUM_IMAGES_DECODED_AT_ONCE, len(files)))
            list(pool.map(fill, rows))
            store.settle(rows)  # what is noted as done must be on the disk
            write_whole(folder.with_name(DONE_FILE), json.dumps({"done": rows.stop, "bad": bad}))
    write_whole(folder / "bad.json", json.dumps(dict(sorted(bad.items()))))


def _room(files: Sequence[ImageFile], image_format: ImageFormat, folder: Path, shape: tuple[int, ...]) -> int:
    """The bytes that the images take, of JPEGs by a few of them. Raises TrainableError where the disk has fewer."""
    needed, free = int(np.prod(shape)), shutil.disk_usage(folder).free
    if image_format.stored == "jpeg":
        needed = round(len(files) * _mean_jpeg(files[:: max(1, len(files) // NUM_JPEGS_SAMPLED)], image_format))
    if needed > free:
        ways = "" if image_format.stored == "jpeg" else "keep them as JPEGs by data.stored: jpeg, "
        raise TrainableError(
            f"trainable.image_size: {shape[0]:,} images of {shape[1]} x {shape[2]} pixels in {shape[3]} channels take "
            f"{needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free in {folder.parents[1]}; free some, set "
            f"EVENKEEL_CACHE to another disk, {ways}or take smaller or grey images"
        )
    return needed


def _mean_jpeg(files: Sequence[ImageFile], image_format: ImageFormat) -> float:
    sizes = []
    for file in files:
        with warnings.catch_warnings(), suppress(BadImage):
            warnings.simplefilter("ignore")
            sizes.append(len(encode_jpeg(image_format.pixels(file))))
    return float(np.mean(sizes)) if sizes else 0.0


def _take_rows(images: ImageArray, rows: np.ndarray, path: Path) -> None:
    kept = empty(path, (len(rows), *images.shape[1:]))
    for start in range(0, len(rows), NUM_IMAGES_COPIED_AT_ONCE):
        kept[start : start + NUM_IMAGES_COPIED_AT_ONCE] = images[rows[start : start + NUM_IMAGES_COPIED_AT_ONCE]]
    kept.flush()
