"""Where images lie: folders and archives, searched for the spellings in which tables refer to files."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from evenkeel.trainables.data.image_archives import Archive, check_image_size, open_archive
from evenkeel.trainables.errors import TrainableError

SUFFIXES = (
    "", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jfif", ".jpe", ".jp2", ".ppm", ".pgm",
    ".dcm",
    ".dicom",
)  # fmt: skip
"""What may be added to an id, in this order, in any case."""


@dataclass(frozen=True)
class ImageFile:
    """One image file of a source; two rows with the same one speak of the same image."""

    source: "ImageSource"
    name: str

    def __str__(self) -> str:
        return f"{self.source.path}:{self.name}" if self.source.archive else str(self.source.path / self.name)

    def exists(self) -> bool:
        """False for a link whose file is gone."""
        return self.source.archive is not None or (self.source.path / self.name).is_file()

    def read(self) -> bytes:
        """The bytes. Raises OSError, ValueError for too many, and what an archive raises."""
        if self.source.archive:
            return self.source.archive.read(self.name)
        path = self.source.path / self.name
        check_image_size(path.stat().st_size)
        return path.read_bytes()


class ImageSource:
    """A folder or archive with all of its image files, sub-folders included; hidden files are none.

    `closed` are folders inside that this user may not list.
    """

    def __init__(
        self, path: Path, names: Iterable[str], archive: Archive | None = None, closed: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.archive = archive
        self.closed = closed
        self.names = [name for name in names if not _hidden(name)]
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_number: dict[int, list[str]] = defaultdict(list)
        for name in self.names:
            base = _folded(name).rsplit("/", 1)[-1]
            stem = _stem(base)
            for key in {base, stem}:
                self._by_name[key].append(name)
            if stem.isascii() and stem.isdigit():
                self._by_number[int(stem)].append(name)

    def find(self, image_id: str) -> list[str]:
        """The files that an id may mean; several when it cannot be told."""
        address = image_id.partition("?")[0] if "://" in image_id else image_id
        for spelling in dict.fromkeys((image_id, unquote(image_id), unquote(address))):
            if names := self._named(spelling):
                return names
        return []

    def find_loosely(self, image_id: str) -> list[str]:
        """The files of the number that an id is: 7 or 7.0 for 007.png."""
        number = re.fullmatch(r"(\d+)(?:\.0)?", _stem(image_id.rsplit("/", 1)[-1]))
        return self._nearest(image_id, self._by_number.get(int(number[1]), [])) if number else []

    def _named(self, image_id: str) -> list[str]:
        folded = _folded(image_id)
        base = folded.rsplit("/", 1)[-1]
        exact = self._nearest(image_id, [n for n in self._by_name.get(base, []) if _fits(n, base)])
        return exact or self._nearest(image_id, self._by_name.get(_stem(base), []))

    def _nearest(self, image_id: str, names: list[str]) -> list[str]:
        """Of the names, those that share most folders with the id; then the spelling as written, then by suffix."""
        if len(names) < 2:
            return names
        shared = {name: _shared(image_id, name) for name in names}
        most = max(shared.values())
        best = [name for name in names if shared[name] == most]
        if "/" not in image_id:
            best = [name for name in best if "/" not in name] or best
        cased = [name for name in best if _stem_of(name) == _stem_of(image_id)] or best
        if len({name.rpartition("/")[0] for name in cased}) > 1 or len({_stem_of(name) for name in cased}) > 1:
            return cased
        return [min(cased, key=lambda name: (_rank(image_id, name), name))]


def image_source(path: Path, key: str) -> ImageSource:
    """The folder, zip or tar at `path`. Raises TrainableError when it is none of them."""
    if path.is_dir():
        errors: list[OSError] = []
        walk = os.walk(path, followlinks=True, onerror=errors.append)
        names = sorted(Path(folder, file).relative_to(path).as_posix() for folder, _, files in walk for file in files)
        return ImageSource(path, names, closed=[str(error.filename) for error in errors])
    status = path.stat()
    return _archive(path, key, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=16)
def _archive(path: Path, key: str, *_: int) -> ImageSource:
    archive = open_archive(path, key)
    return ImageSource(path, archive.names, archive)


def unreadable(error: OSError) -> TrainableError:
    """What to do about a file that is there and cannot be read."""
    return TrainableError(
        f"data.images: {error.filename} cannot be read ({error.strerror}); make it readable, or remove its row"
    )


def is_image(name: str) -> bool:
    """Whether a file's suffix is that of an image."""
    return f".{name.rpartition('.')[2].lower()}" in SUFFIXES


def id_key(name: str) -> str:
    """An id as lists of ids are compared: the file's own name, without suffix, in one case."""
    return _stem(_folded(name).rsplit("/", 1)[-1])


def folder_of(name: str) -> str:
    """The folders of an id, as they are compared."""
    return _folded(name).rpartition("/")[0]


def meant(image_id: str, names: Iterable[str]) -> list[str]:
    """Of names with the key of `image_id`, those that it may mean: they share most folders with it."""
    shared = {name: _shared(image_id, name) for name in names}
    return [name for name, num in shared.items() if num == max(shared.values())]


def _hidden(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].startswith(".") or parts[0] == "__MACOSX" or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()


def _stem(base: str) -> str:
    stem, dot, suffix = base.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in SUFFIXES else base


def _stem_of(name: str) -> str:
    return _stem(name.replace("\\", "/").rsplit("/", 1)[-1])


def _fits(name: str, base: str) -> bool:
    """Whether a file's own name is the id's, or the id's with a suffix."""
    own = _folded(name).rsplit("/", 1)[-1]
    return own == base or (own.startswith(base) and own[len(base) :] in SUFFIXES)


def _rank(image_id: str, name: str) -> int:
    """0 for the very name, then the order of suffixes."""
    base, own = _folded(image_id).rsplit("/", 1)[-1], _folded(name).rsplit("/", 1)[-1]
    suffix = own[len(base) :] if own.startswith(base) else f".{own.rpartition('.')[2]}"
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES)


def _shared(image_id: str, name: str) -> int:
    """How many folders, counted from the file upwards, the id and the name have in common."""
    ours, theirs = _folded(image_id).split("/")[-2::-1], _folded(name).split("/")[-2::-1]
    num = 0
    for our_folder, their_folder in zip(ours, theirs, strict=False):
        if our_folder != their_folder:
            break
        num += 1
    return num
