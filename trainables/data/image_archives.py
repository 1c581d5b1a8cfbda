"""Files that hold images: zips, tars, and Parquet files with pictures in a column. Each reads one image by its name."""

import os
import tarfile
import threading
import zipfile
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol

from evenkeel.trainables.data.file_kinds import NUM_BYTES_LOOKED_AT, kind_of
from evenkeel.trainables.errors import TrainableError

NUM_ROW_GROUPS_KEPT = 4
"""So many row groups of a Parquet file stay in memory: rows are mostly decoded in their order."""

MAX_IMAGE_BYTES = 2**30
"""Of one image file, unpacked: a few bytes can say that they are more than memory holds."""


class Archive(Protocol):
    """One file with many images inside."""

    names: list[str]

    def read(self, name: str) -> bytes:
        """The bytes of one image. Raises OSError, ValueError for too many, and BadZipFile, RuntimeError,
        NotImplementedError for a zip's own troubles."""
        ...


class ZipArchive:
    """A zip, whose own index holds a checksum for each member."""

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)
        self.infos = {info.filename: info for info in self._file.infolist()}
        self.names = [name for name, info in self.infos.items() if not info.is_dir()]

    def read(self, name: str) -> bytes:
        check_image_size(self.infos[name].file_size)
        return self._file.read(name)


class TarArchive:
    """A tar that is not compressed: its members are listed once, and read where they lie."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path, "r:") as tar:
            self._members = {m.name: (m.offset_data, m.size) for m in tar if m.isreg()}
        self.names = list(self._members)
        self._path = path
        self._descriptors: dict[int, int] = {}  # of each process, a forked one has its own

    def read(self, name: str) -> bytes:
        offset, size = self._members[name]
        check_image_size(size)
        descriptor = self._descriptors.get(os.getpid())
        if descriptor is None:
            descriptor = self._descriptors[os.getpid()] = os.open(self._path, os.O_RDONLY)
        return os.pread(descriptor, size, offset)


class ParquetPictures:
    """The pictures in one column of a Parquet file; `names` are those of its rows, as `read_parquet` gives them."""

    def __init__(self, path: Path, column: str, names: list[str]) -> None:
        import pyarrow.parquet as pq

        self._file, self._column, self.names = pq.ParquetFile(path), column, names
        self._rows = {name: row for row, name in enumerate(names)}
        metadata = self._file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        self._groups: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        row = self._rows[name]
        number = bisect_right(self._ends, row)
        first = self._ends[number - 1] if number else 0
        value = self._group(number)[row - first].as_py()
        return (value["bytes"] if isinstance(value, dict) else value) or b""

    def _group(self, number: int) -> Any:
        with self._lock:
            if number not in self._groups:
                self._groups[number] = self._file.read_row_group(number, columns=[self._column]).column(0)
                while len(self._groups) > NUM_ROW_GROUPS_KEPT:
                    self._groups.popitem(last=False)
            return self._groups[number]


def check_image_size(num_bytes: int) -> None:
    """Raises ValueError for an image file of more bytes than are read or unpacked."""
    if num_bytes > MAX_IMAGE_BYTES:
        raise ValueError(f"{num_bytes:,} bytes; at most {MAX_IMAGE_BYTES:,} are read")


def open_archive(path: Path, key: str) -> ZipArchive | TarArchive:
    """The zip or tar at `path`. Raises TrainableError when it is neither, or cannot be read by parts."""
    try:
        archive = TarArchive(path) if is_tar(path) else ZipArchive(path)
    except (zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        with path.open("rb") as file:
            kind = kind_of(file.read(NUM_BYTES_LOOKED_AT), path)
        raise TrainableError(
            f"data.{key}: {path} is {kind or f'not a zip file ({error})'}; give a folder, a zip or a tar that is not "
            "compressed: unpack other archives, write arrays out as PNG files"
        ) from error
    if archive.names and all(name.endswith(".npy") for name in archive.names):
        raise TrainableError(f"data.{key}: {path} holds arrays of numpy; write them out as PNG files")
    return archive


def is_tar(path: Path) -> bool:
    """Whether a file is a tar that is not compressed, by its first header."""
    with path.open("rb") as file:
        return file.read(262)[257:262] == b"ustar"
