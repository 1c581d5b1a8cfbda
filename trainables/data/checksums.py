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
from evenkeel.trainables.data.image_lookup import ImageFile, ImageSource, image_source, unreadable

SETTLED_S = 2.0
"""A file that changed less than so many seconds ago may change again within the same time stamp: it is read."""


def identity_lines(files: set[ImageFile], paths: dict[str, list[Path]]) -> Iterator[str]:
    """The lines of all folders and zips, in the order of their paths."""
    for path in sorted({str(path) for inside in paths.values() for path in inside}):
        if not Path(path).is_dir():
            yield from _zip_listing(image_source(Path(path), "images"))
            continue
        yield from sorted(checksums(file for file in files if str(file.source.path) == path).values())


def _zip_listing(source: ImageSource) -> list[str]:
    """The lines of all members of a zip."""
    assert source.archive
    members = sorted(source.archive.infolist(), key=lambda entry: entry.filename)
    return [_line(info.filename, info.file_size, info.CRC) for info in members]


def _line(name: str, size: int, checksum: int) -> str:
    return f"{name} {size} {checksum}"


def checksums(files: Iterable[ImageFile]) -> dict[ImageFile, str]:
    """`name size checksum` of files: a zip's own, or CRC-32 of the bytes in a folder.

    A file of a folder is read once: size, time of change and inode, kept in the cache, stand for its contents after.
    Raises TrainableError for a file that cannot be read.
    """
    marks: dict[ImageFile, str] = {}
    by_source: dict[ImageSource, list[ImageFile]] = defaultdict(list)
    for file in dict.fromkeys(files):
        by_source[file.source].append(file)
    for source, inside in by_source.items():
        if source.archive:
            infos = {info.filename: info for info in source.archive.infolist()}
            marks |= {f: _line(f.name, infos[f.name].file_size, infos[f.name].CRC) for f in inside}
        else:
            try:
                marks |= _folder_checksums(source.path, inside)
            except OSError as error:
                raise unreadable(error) from error
    return marks


def _folder_checksums(folder: Path, files: list[ImageFile]) -> dict[ImageFile, str]:
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    store = Path(default_cache()) / "checksums" / f"{key}.json"
    entries = _remembered(store)
    stamps = {}
    for file in files:
        status = (folder / file.name).stat()
        stamps[file] = [status.st_size, status.st_mtime_ns, status.st_ino]
    unread = [file for file in files if entries.get(file.name, [None])[:3] != stamps[file]]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for file, checksum in zip(unread, pool.map(lambda file: _crc(folder / file.name), unread), strict=True):
            entries[file.name] = [*stamps[file], checksum]
    marks = {file: _line(file.name, entries[file.name][0], entries[file.name][3]) for file in files}
    if unread:
        now = time.time()
        _remember(store, {name: entry for name, entry in entries.items() if now - entry[1] / 1e9 > SETTLED_S})
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
