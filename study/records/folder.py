"""A folder of records wherever it lies: a local disk, NFS or an object store (anything fsspec opens)."""

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from evenkeel.study.errors import StorageError
from evenkeel.trainables.cache import replacing

FATAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM}
"""What no second attempt heals before somebody makes room or gives leave."""
PROBE_BYTES = b"\0" * 65536
"""A full disk still takes an empty file."""
MAX_FILE_BYTES = 2**30
"""Of one file: far more than evenkeel writes into any, and what memory surely holds."""


OWN_STEM = re.compile(r"[0-9a-f]+(-[0-9a-f]{16})?")
"""What evenkeel calls its files: a trial's id, a lease's number, a number with a hash."""


class Folder:
    """Files under one place, named by paths relative to it. Writing raises StorageError, which names the place.

    Somebody else may have filled it: on a local disk only plain files are read that lie there themselves, not where a
    link leads, and nothing larger than MAX_FILE_BYTES. Names are never patterns, whatever letters they have.
    """

    def __init__(self, location: str) -> None:
        self.location = location

    @cached_property
    def _fs_root(self) -> tuple[fsspec.AbstractFileSystem, str]:
        if "://" not in self.location:  # fsspec would read `::` in a path as a chain of file systems
            return LocalFileSystem(), os.path.abspath(self.location)
        try:
            return url_to_fs(self.location)
        except ValueError as error:
            raise StorageError(
                f"{self.location}: no place for records ({error}); give a folder, or an address that fsspec opens: "
                "s3://bucket/study"
            ) from error

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        return self._fs_root[0]

    @property
    def root(self) -> str:
        return self._fs_root[1]

    @property
    def is_local(self) -> bool:
        """Whether paths are those of this machine's operating system."""
        return "file" in self.fs.protocol or self.fs.protocol == "file"

    def path_of(self, name: str) -> str:
        """The path of `name`, for `fs`."""
        return f"{self.root}/{name}"

    def create(self, *folders: str) -> None:
        """Make the folders, and see that they can be written."""
        try:
            with self.writing():
                for name in folders:
                    self.fs.makedirs(self.path_of(name), exist_ok=True)
            self.write(trial := f".write-{secrets.token_hex(4)}", PROBE_BYTES)
            self.remove(trial)
        except StorageError:
            raise
        except FileNotFoundError as error:  # a parent that nobody can make: /proc, a share that went away
            raise storage_error(error, self.location) from error
        except Exception as error:  # each of fsspec's file systems has errors of its own
            raise StorageError(f"{self.location}: cannot be written ({error}); give another --storage") from error

    def exists(self, name: str) -> bool:
        self.fs.invalidate_cache(self.fs._parent(self.path_of(name)))
        return self.fs.exists(self.path_of(name))

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError; ForeignFileError for what is no plain file of this folder, or too large."""
        if self.is_local:
            return _read_plain(Path(self.root), name)
        path = self.path_of(name)
        _check_size(path, self.fs.info(path)["size"])
        return self.fs.cat_file(path)

    def read_many(self, names: list[str]) -> dict[str, bytes | Exception]:
        """Contents by name, read side by side where the place can; what cannot be read is the exception."""
        if self.is_local:
            return {name: self._read_or_error(name) for name in names}
        large = {name: error for name in names if (error := self._listed_as_large(name))}
        paths = [self.path_of(name) for name in names if name not in large]  # not `cat`: `[` and `?` are patterns there
        whole = [None] * len(paths)
        contents = self.fs.cat_ranges(paths, whole, whole, on_error="return")
        return dict(zip((name for name in names if name not in large), contents, strict=True)) | large

    def _listed_as_large(self, name: str) -> "ForeignFileError | None":
        """By the listing that gave the name, if the place keeps it: asking for each file would take as long again."""
        path = self.path_of(name)
        listed = [entry["size"] or 0 for entry in self.fs._ls_from_cache(path) or () if entry["name"] == path]
        try:
            _check_size(path, max(listed, default=0))
        except ForeignFileError as error:
            return error
        return None

    def _read_or_error(self, name: str) -> bytes | Exception:
        try:
            return self.read(name)
        except OSError as error:
            return error

    def names(self, folder: str, suffix: str) -> list[str]:
        """Names (`folder/file`) of the files with `suffix`, sorted; none that evenkeel does not give itself.

        What clients of shared folders leave (a second copy with the name of a machine, say) is nobody's record.
        """
        stems = ((name, name[len(folder) + 1 :].removesuffix(suffix)) for name in self._all(folder))
        return [name for name, stem in stems if name.endswith(suffix) and OWN_STEM.fullmatch(stem)]

    def _all(self, folder: str) -> list[str]:
        path = self.path_of(folder)
        self.fs.invalidate_cache(path)
        try:
            paths = self.fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(f"{folder}/{p.rpartition('/')[2]}" for p in paths)

    def find(self, folder: str) -> list[str]:
        """Names (`folder/.../file`) of all files under a folder, however deep, sorted."""
        path = self.path_of(folder)
        self.fs.invalidate_cache()
        return sorted(f"{folder}{file.partition(path)[2]}" for file in self.fs.find(path))

    def write(self, name: str, content: bytes) -> None:
        """Write a file; whoever reads sees all of it or nothing. What fails leaves nothing behind."""
        # An object store shows an object when it is whole; a renamed one would be copied.
        try:
            with (
                self.writing(),
                replacing(Path(self.path_of(name))) if self.is_local else nullcontext(self.path_of(name)) as target,
            ):
                self.fs.pipe_file(str(target), content)
        except FileNotFoundError as error:
            raise StorageError(
                f"{self.location}: somebody removed it, or a folder in it, while {name} was to be written; bring it "
                "back, or start anew"
            ) from error

    def put(self, file: Path, name: str) -> None:
        """Bring a file of this machine here; whoever reads sees all of it or nothing. On one disk it is a link."""
        path = self.path_of(name)
        with self.writing():
            if not self.is_local:
                return self.fs.put_file(str(file), path)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with replacing(Path(path)) as temporary:
                try:
                    os.link(file, temporary)
                except OSError:  # another disk, or one without links
                    shutil.copyfile(file, temporary)

    def write_new(self, name: str, content: bytes) -> bool:
        """Write a file that nobody has written yet; False when somebody has. Exactly one of many callers wins."""
        with self.writing():
            try:
                self.fs.pipe_file(self.path_of(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def move(self, name: str, new_name: str) -> None:
        """Move a file, or a folder with all that lies in it, making the folder it goes to."""
        old, new = self.path_of(name), self.path_of(new_name)
        with self.writing():
            self.fs.makedirs(self.fs._parent(new), exist_ok=True)
            if self.is_local:
                os.replace(old, new)
                return
            for path in self._files_in(old):  # not `mv`: it takes `[` and `?` for patterns
                self.fs.cp_file(path, new + path.removeprefix(old))
                self.fs.rm_file(path)

    def remove_tree(self, name: str) -> None:
        """Remove a file, or a folder with all that lies in it; one that is gone already is as good as removed."""
        path = self.path_of(name)
        with self.writing():
            if not self.is_local:
                for file in self._files_in(path):
                    self.fs.rm_file(file)
            elif os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                Path(path).unlink(missing_ok=True)

    def _files_in(self, path: str) -> list[str]:
        """Full paths of all files in a folder, or of the file itself."""
        self.fs.invalidate_cache(path)
        self.fs.invalidate_cache(self.fs._parent(path))
        return sorted(self.fs.find(path))

    def remove(self, *names: str) -> None:
        """Remove files; those that are gone already are as good as removed."""
        with self.writing():
            for name in names:
                with suppress(FileNotFoundError):
                    self.fs.rm_file(self.path_of(name))

    def leftovers(self, folder: str) -> list[str]:
        """Names of temporary files of writers that were killed (or still write)."""
        return [n for n in self._all(folder) if n[len(folder) + 1 :].startswith(".")]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What the operating system says against writing, as one line that names the place."""
        try:
            yield
        except FileExistsError as error:
            raise StorageError(f"{self.location}: cannot be written ({error}); give another --storage") from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(error, self.location) from error


class ForeignFileError(OSError):
    """A file that evenkeel did not write so: a link, a pipe, a device, or one too large."""


def _read_plain(root: Path, name: str) -> bytes:
    path = root / name
    inside = [path, *path.parents][: len(Path(name).parts)]  # the folder itself may be reached by links: a user's own
    if link := next((part for part in inside if part.is_symlink()), None):
        raise ForeignFileError(f"{link} is a link, and links are not followed")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ForeignFileError(f"{path} is no plain file")
        _check_size(path, status.st_size)
        return file.read()


def _check_size(path: Path | str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ForeignFileError(f"{path} has {size:,} bytes; at most {MAX_FILE_BYTES:,}")


def storage_error(error: OSError, place: str) -> StorageError:
    """The one line for a disk that is full, read-only or closed."""
    why = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(
        f"{place}: cannot be written ({why}); make room or give leave there, or give another place. What was recorded "
        "is kept: the same command goes on"
    )
