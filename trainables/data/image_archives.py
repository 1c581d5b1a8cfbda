"""Files that hold images: zips, tars, and Parquet files with pictures in a column. Each reads one image by its name."""

import os
import struct
import tarfile
import threading
import zipfile
import zlib
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol

from evenkeel.trainables.data.file_kinds import NUM_BYTES_LOOKED_AT, kind_of
from evenkeel.trainables.errors import TrainableError

NUM_ROW_GROUPS_KEPT = 4
"""So many row groups of a Parquet file stay in memory: rows are mostly decoded in their order."""

LOCAL_HEADER = struct.Struct("<26sHH")
"""What stands before a member's bytes in a zip: its last two numbers are the lengths of name and extra field."""

ZIP_MAGIC = b"PK\x03\x04"

MAX_IMAGE_BYTES = 2**30
"""Of one image file, unpacked: a few bytes can say that they are more than memory holds."""


class Archive(Protocol):
    """One file with many images inside."""

    names: list[str]

    def read(self, name: str) -> bytes:
        """The bytes of one image. Raises OSError, ValueError for too many, and BadZipFile, RuntimeError,
        NotImplementedError for a zip's own troubles."""
        ...


class FileBytes:
    """Parts of a file, which threads and forked processes read side by side."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptors: dict[int, int] = {}  # of each process, a forked one has its own

    def read(self, num: int, offset: int) -> bytes:
        """So many bytes from there on, fewer at the end of the file."""
        descriptor = self._descriptors.get(os.getpid())
        if descriptor is None:
            descriptor = self._descriptors[os.getpid()] = os.open(self._path, os.O_RDONLY)
        return os.pread(descriptor, num, offset)


class ZipArchive:
    """A zip, whose own index holds a checksum for each member; threads read it side by side."""

    def __init__(self, path: Path) -> None:
        self._file, self._bytes = zipfile.ZipFile(path), FileBytes(path)
        self.infos = {info.filename: info for info in self._file.infolist()}
        self.names = [name for name, info in self.infos.items() if not info.is_dir()]

    def read(self, name: str) -> bytes:
        info = self.infos[name]
        check_image_size(info.file_size)
        head = self._bytes.read(LOCAL_HEADER.size, info.header_offset)
        packed = info.compress_type == zipfile.ZIP_DEFLATED
        usual = (packed or info.compress_type == zipfile.ZIP_STORED) and not info.flag_bits & 1  # 1: encrypted
        if not usual or len(head) < LOCAL_HEADER.size or not head.startswith(ZIP_MAGIC):
            return self._file.read(name)  # or says what is wrong
        offset = info.header_offset + len(head) + sum(LOCAL_HEADER.unpack(head)[1:])
        content = self._bytes.read(info.compress_size, offset)
        if packed:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, info.file_size + 1)
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {name!r}")
        return content


class TarArchive:
    """A tar that is not compressed: its members are listed once, and read where they lie."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path, "r:") as tar:
            self._members = {m.name: (m.offset_data, m.size) for m in tar if m.isreg()}
        self.names = list(self._members)
        self._bytes = FileBytes(path)

    def read(self, name: str) -> bytes:
        offset, size = self._members[name]
        check_image_size(size)
        return self._bytes.read(size, offset)


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
