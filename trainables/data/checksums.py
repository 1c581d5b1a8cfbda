"""What files hold, as lines that a hash is made of: read once, known again by size, time and inode."""

import hashlib
import json
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from evenkeel.trainables.cache import default_cache, write_whole
from evenkeel.trainables.data.image_archives import ZipArchive
from evenkeel.trainables.data.image_lookup import ImageFile, ImageSource, image_source, unreadable

SETTLED_S = 2.0
"""A file that changed less than so many seconds ago may change again within the same time stamp: it is read."""


def identity_lines(files: set[ImageFile], paths: dict[str, list[Path]]) -> Iterator[str]:
    """The lines of all folders and archives, in the order of their paths."""
    for path in sorted({str(path) for inside in paths.values() for path in inside}):
        source = image_source(Path(path), "images")
        if isinstance(source.archive, ZipArchive):
            yield from _zip_listing(source.archive)
        elif source.archive:
            yield file_line(source.path)
        else:
            yield from sorted(checksums(file for file in files if str(file.source.path) == path).values())


def _zip_listing(archive: ZipArchive) -> list[str]:
    """The lines of all members of a zip."""
    members = sorted(archive.infos.values(), key=lambda entry: entry.filename)
    return [_line(info.filename, info.file_size, info.CRC) for info in members]


def file_line(path: Path) -> str:
    """The size and CRC-32 of one file, without its name: read once, as `checksums` does. Raises TrainableError."""
    try:
        entry = _folder_entries(path.parent, [path.name])[path.name]
    except OSError as error:
        raise unreadable(error) from error
    return f"{entry[0]} {entry[3]}"


def _line(name: str, size: int, checksum: int) -> str:
    return f"{name} {size} {checksum}"


def checksums(files: Iterable[ImageFile]) -> dict[ImageFile, str]:
    """`name size checksum` of files: a zip's own, or CRC-32 of the bytes in a folder; of another archive its own.

    A file of a folder is read once: size, time of change and inode, kept in the cache, stand for its contents after.
    Raises TrainableError for a file that cannot be read.
    """
    marks: dict[ImageFile, str] = {}
    by_source: dict[ImageSource, list[ImageFile]] = defaultdict(list)
    for file in dict.fromkeys(files):
        by_source[file.source].append(file)
    for source, inside in by_source.items():
        if isinstance(source.archive, ZipArchive):
            infos = source.archive.infos
            marks |= {f: _line(f.name, infos[f.name].file_size, infos[f.name].CRC) for f in inside}
        elif source.archive:
            whole = file_line(source.path)
            marks |= {f: f"{f.name} in {whole}" for f in inside}
        else:
            try:
                entries = _folder_entries(source.path, [file.name for file in inside])
                marks |= {f: _line(f.name, entries[f.name][0], entries[f.name][3]) for f in inside}
            except OSError as error:
                raise unreadable(error) from error
    return marks


def _folder_entries(folder: Path, names: list[str]) -> dict[str, list[int]]:
    """File name -> size, time of change, inode and CRC-32, read again only where one of the first three is another."""
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    store = Path(default_cache()) / "checksums" / f"{key}.json"
    entries = _remembered(store)
    stamps = {}
    for name in names:
        status = (folder / name).stat()
        stamps[name] = [status.st_size, status.st_mtime_ns, status.st_ino]
    unread = [name for name in names if entries.get(name, [None])[:3] != stamps[name]]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for name, checksum in zip(unread, pool.map(lambda name: _crc(folder / name), unread), strict=True):
            entries[name] = [*stamps[name], checksum]
    read = {name: entries[name] for name in names}
    if unread:
        now = time.time()
        _remember(store, {name: entry for name, entry in entries.items() if now - entry[1] / 1e9 > SETTLED_S})
    return read


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
