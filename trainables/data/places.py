"""Where images lie: folders and zips, searched for the spellings in which tables refer to files."""

import hashlib
import json
import os
import re
import time
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from trainables.cache import default_cache, write_whole
from trainables.errors import TrainableError

SUFFIXES = (
    "", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jfif", ".jpe", ".jp2", ".ppm", ".pgm",
    ".dcm",
)  # fmt: skip
"""What may be added to an id, in this order, in any case."""

SETTLED_S = 2.0
"""A file that changed less than so many seconds ago may change again within the same time stamp: it is read."""


@dataclass(frozen=True)
class ImageFile:
    """One image file of a place; two rows with the same one speak of the same image."""

    place: "Place"
    name: str

    def __str__(self) -> str:
        return f"{self.place.path}:{self.name}" if self.place.archive else str(self.place.path / self.name)

    def exists(self) -> bool:
        """False for a link whose file is gone."""
        return self.place.archive is not None or (self.place.path / self.name).is_file()

    def read(self) -> bytes:
        """The bytes. Raises OSError, and BadZipFile, RuntimeError, NotImplementedError for a zip's own troubles."""
        return self.place.archive.read(self.name) if self.place.archive else (self.place.path / self.name).read_bytes()


class Place:
    """A folder or zip with all of its image files, sub-folders included; hidden files are none."""

    def __init__(self, path: Path, names: Iterable[str], archive: zipfile.ZipFile | None = None) -> None:
        self.path = path
        self.archive = archive
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

    def find(self, wanted: str) -> list[str]:
        """The files that an id may mean; several when it cannot be told."""
        for spelling in dict.fromkeys((wanted, unquote(wanted))):
            if found := self._named(spelling):
                return found
        return []

    def find_loosely(self, wanted: str) -> list[str]:
        """The files of the number that an id is: 7 or 7.0 for 007.png."""
        number = re.fullmatch(r"(\d+)(?:\.0)?", _stem(wanted.rsplit("/", 1)[-1]))
        return self._nearest(wanted, self._by_number.get(int(number[1]), [])) if number else []

    def _named(self, wanted: str) -> list[str]:
        folded = _folded(wanted)
        base = folded.rsplit("/", 1)[-1]
        exact = self._nearest(wanted, [n for n in self._by_name.get(base, []) if _fits(n, base)])
        return exact or self._nearest(wanted, self._by_name.get(_stem(base), []))

    def _nearest(self, wanted: str, names: list[str]) -> list[str]:
        """Of the names, those that share most folders with the id; then the spelling as written, then by suffix."""
        if len(names) < 2:
            return names
        shared = {name: _shared(wanted, name) for name in names}
        most = max(shared.values())
        best = [name for name in names if shared[name] == most]
        if "/" not in wanted:
            best = [name for name in best if "/" not in name] or best
        cased = [name for name in best if _stem_of(name) == _stem_of(wanted)] or best
        if len({name.rpartition("/")[0] for name in cased}) > 1 or len({_stem_of(name) for name in cased}) > 1:
            return cased
        return [min(cased, key=lambda name: (_rank(wanted, name), name))]


def place_of(path: Path, key: str) -> Place:
    """The folder or zip at `path`. Raises TrainableError when it is neither."""
    if path.is_dir():
        found = (Path(folder, file) for folder, _, files in os.walk(path, followlinks=True) for file in files)
        return Place(path, sorted(file.relative_to(path).as_posix() for file in found))
    status = path.stat()
    return _zip_place(path, key, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=16)
def _zip_place(path: Path, key: str, *_: int) -> Place:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise TrainableError(
            f"data.{key}: {path} is not a zip file ({error}); give a folder or a zip, unpack other archives"
        ) from error
    return Place(path, [info.filename for info in archive.infolist() if not info.is_dir()], archive)


def zip_listing(place: Place) -> list[str]:
    """`name size checksum` of every member of a zip."""
    assert place.archive
    members = sorted(place.archive.infolist(), key=lambda entry: entry.filename)
    return [f"{info.filename} {info.file_size} {info.CRC}" for info in members]


def checksums(files: Iterable[ImageFile]) -> dict[ImageFile, str]:
    """`name size checksum` of files: a zip's own, or CRC-32 of the bytes in a folder.

    A file of a folder is read once: size, time of change and inode, kept in the cache, stand for its contents after.
    Raises TrainableError for a file that cannot be read.
    """
    marks: dict[ImageFile, str] = {}
    by_place: dict[Place, list[ImageFile]] = defaultdict(list)
    for file in dict.fromkeys(files):
        by_place[file.place].append(file)
    for place, inside in by_place.items():
        if place.archive:
            infos = {info.filename: info for info in place.archive.infolist()}
            marks |= {f: f"{f.name} {infos[f.name].file_size} {infos[f.name].CRC}" for f in inside}
        else:
            try:
                marks |= _folder_checksums(place.path, inside)
            except OSError as error:
                raise unreadable(error) from error
    return marks


def _folder_checksums(folder: Path, files: list[ImageFile]) -> dict[ImageFile, str]:
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    store = Path(default_cache()) / "checksums" / f"{key}.json"
    known = _remembered(store)
    stamps = {}
    for file in files:
        status = (folder / file.name).stat()
        stamps[file] = [status.st_size, status.st_mtime_ns, status.st_ino]
    unread = [file for file in files if known.get(file.name, [None])[:3] != stamps[file]]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for file, checksum in zip(unread, pool.map(lambda file: _crc(folder / file.name), unread), strict=True):
            known[file.name] = [*stamps[file], checksum]
    marks = {file: f"{file.name} {known[file.name][0]} {known[file.name][3]}" for file in files}
    if unread:
        now = time.time()
        _remember(store, {name: entry for name, entry in known.items() if now - entry[1] / 1e9 > SETTLED_S})
    return marks


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            value = zlib.crc32(chunk, value)
    return value


def _remembered(store: Path) -> dict[str, list[int]]:
    try:
        return json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _remember(store: Path, entries: dict[str, list[int]]) -> None:
    """Kept when the cache can be written; it only saves time."""
    with suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        write_whole(store, json.dumps(entries))


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


def meant(wanted: str, names: Iterable[str]) -> list[str]:
    """Of names with the key of `wanted`, those that it may mean: they share most folders with it."""
    shared = {name: _shared(wanted, name) for name in names}
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


def _rank(wanted: str, name: str) -> int:
    """0 for the very name, then the order of suffixes."""
    base, own = _folded(wanted).rsplit("/", 1)[-1], _folded(name).rsplit("/", 1)[-1]
    suffix = own[len(base) :] if own.startswith(base) else f".{own.rpartition('.')[2]}"
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES)


def _shared(wanted: str, name: str) -> int:
    """How many folders, counted from the file upwards, the id and the name have in common."""
    ours, theirs = _folded(wanted).split("/")[-2::-1], _folded(name).split("/")[-2::-1]
    num = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        num += 1
    return num
