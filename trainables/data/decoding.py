"""From image files to one memory-mapped array of bytes: decoded once, in parallel, never held in memory whole.

Where decoding was cut off it goes on; how far it has come is said while it lasts.
"""

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.cache import made_once, write_whole
from trainables.data.contents import checksums
from trainables.data.pixels import BadImage, library, pixels
from trainables.data.places import ImageFile
from trainables.errors import TrainableError
from trainables.machine import usable_cpus
from trainables.progress import progress

VERSION = 2
"""Raised when the same file would give other pixels, so that old caches are left alone."""

BLOCK = 1024
"""So many images are decoded between two notes of how far it has come."""

COPIED = 256
"""So many images are in memory at once when rows are copied."""

STALE_S = 7 * 24 * 3600.0
"""What was cut off so long ago belongs to a study that nobody goes on with."""


@dataclass(frozen=True)
class Decoded:
    """A folder with `images.npy` [N, size, size, 1 or 3] uint8; `bad` says why a row is black instead."""

    folder: Path
    bad: dict[int, str]

    @property
    def images(self) -> np.ndarray:
        """All rows, mapped from where they lie."""
        return np.load(self.folder / "images.npy", mmap_mode="r")

    def good(self) -> np.ndarray:
        """The rows that are not bad, mapped; written to a file of their own once, where there are bad ones."""
        if not self.bad:
            return self.images
        images = self.images
        rows = np.array([row for row in range(len(images)) if row not in self.bad], dtype=np.int64)
        kept = self.folder.with_name(f"{self.folder.name}-good.npy")
        return np.load(made_once(kept, lambda to: _take_rows(images, rows, to)), mmap_mode="r")


def decoded(files: Sequence[ImageFile], size: int, grey: bool, cache: Path) -> Decoded:
    """The pixels of `files`, from the cache where they are known. Raises TrainableError when there is no room."""
    try:
        marks = checksums(files)
        decisive = [VERSION, library(), size, grey, *(marks[file] for file in files)]
        key = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
        folder = made_once(cache / f"images-{key}", lambda to: _decode(files, size, grey, to, cache / f"{key}.part"))
    except OSError as error:
        raise TrainableError(
            f"{cache}: cannot hold the decoded images ({error.strerror}); free space there, or set EVENKEEL_CACHE"
        ) from error
    bad = json.loads((folder / "bad.json").read_text(encoding="utf-8"))
    return Decoded(folder, {int(row): why for row, why in bad.items()})


def _decode(files: Sequence[ImageFile], size: int, grey: bool, folder: Path, part: Path) -> None:
    """Fill `part`, or what is missing of it, and make it `folder`. Killed, it leaves what it has done."""
    shape = (len(files), size, size, 1 if grey else 3)
    _forget_stale(part.parent)
    images, done, bad = _resumed(part)
    try:
        if images is None or images.shape != shape:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            images, done, bad = _room(part, shape), 0, {}
        _fill(images, files, (size, grey), part, done, bad)
    except Exception:
        shutil.rmtree(part, ignore_errors=True)
        raise
    (part / "done.json").unlink(missing_ok=True)
    part.rename(folder)


def _fill(
    images: np.memmap, files: Sequence[ImageFile], how: tuple[int, bool], part: Path, done: int, bad: dict[int, str]
) -> None:
    def fill(row: int) -> None:
        try:
            images[row] = pixels(files[row], *how)
        except BadImage as error:
            bad[row] = str(error)

    what = f"decoding images ({images.nbytes / 1e9:.1f} GB in {part.parent})"
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(max_workers=usable_cpus()) as pool,
        progress(part.parent, what, len(files)) as at,
    ):
        warnings.simplefilter("ignore")
        for start in range(done, len(files), BLOCK):
            at(start)
            list(pool.map(fill, range(start, min(start + BLOCK, len(files)))))
            images.flush()  # what is noted as done must be on the disk
            write_whole(part / "done.json", json.dumps({"done": start + BLOCK, "bad": bad}))
    write_whole(part / "bad.json", json.dumps(dict(sorted(bad.items()))))


def _resumed(part: Path) -> tuple[np.memmap | None, int, dict[int, str]]:
    """What was decoded before, how many rows, and the bad ones; no array where nothing can be gone on with."""
    try:
        noted = json.loads((part / "done.json").read_text(encoding="utf-8"))
        images = np.load(part / "images.npy", mmap_mode="r+")
        return images, int(noted["done"]), {int(row): why for row, why in noted["bad"].items()}
    except (OSError, ValueError, KeyError, AttributeError):
        return None, 0, {}


def _room(part: Path, shape: tuple[int, ...]) -> np.memmap:
    """An empty array in `part`. Raises TrainableError where the disk cannot take it."""
    needed, free = int(np.prod(shape)), shutil.disk_usage(part).free
    if needed > free:
        raise TrainableError(
            f"trainable.image_size: {shape[0]:,} images of {shape[1]} x {shape[2]} pixels in {shape[3]} channels take "
            f"{needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free in {part.parent}; free some, set EVENKEEL_CACHE to "
            "another disk, or take smaller or grey images"
        )
    return _empty(part / "images.npy", shape)


def _empty(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A memory-mapped file of bytes whose room is taken at once: a full disk is an error here, not a crash later."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return array


def _take_rows(images: np.ndarray, rows: np.ndarray, to: Path) -> None:
    kept = _empty(to, (len(rows), *images.shape[1:]))
    for start in range(0, len(rows), COPIED):
        kept[start : start + COPIED] = images[rows[start : start + COPIED]]
    kept.flush()


def _forget_stale(cache: Path) -> None:
    for left in cache.glob("*.part"):
        if time.time() - left.stat().st_mtime > STALE_S:
            shutil.rmtree(left, ignore_errors=True)
