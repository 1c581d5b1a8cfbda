"""Where this machine keeps what is computed once: images, features, compiled losses.

What is kept has its files' sizes and hashes beside it (`NAME.sum`), compared when a process first opens it; what is not
as it was made (cut off, flipped, emptied) is made again. Hashing is done once for a file as it lies there: the stamp
`NAME.seen` tells by size, time and inode that it is still the one that was hashed.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evenkeel.trainables.settings import at_home

STALE_PART_S = 7 * 24 * 3600.0
"""What was cut off so long ago belongs to a study that nobody goes on with."""


def default_cache() -> str:
    """EVENKEEL_CACHE, or the user's cache folder; whole, for processes that work elsewhere."""
    if chosen := os.environ.get("EVENKEEL_CACHE"):
        return str(at_home(chosen).absolute())
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))  # one that is empty or relative does not count, as XDG says
    return str((home if home.is_absolute() else Path.home() / ".cache") / "evenkeel")


def made_once(path: Path, make: Callable[[Path], object], *, changes: bool = False, resumes: bool = False) -> Path:
    """`path`, a file or folder that `make` writes under the temporary name it is given; one process makes, others wait.

    The temporary name ends like `path`. What `make` raises is passed on and leaves nothing behind. What was damaged
    since is made again, unless it `changes` by its use, as a database does. What `resumes` is written in a folder of
    its own, for notes too, that outlives a kill: `make` is given the same name again and goes on there.
    """
    if _usable(path, changes):
        return path
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not _usable(path, changes):
            for left in _left_by_the_killed(path):
                _remove(left)
            with _part(path) if resumes else replacing(path) as temporary:
                make(temporary)
                if not changes:
                    write_whole(_beside(path, "sum"), sums := json.dumps(_sums(temporary)))
                    _remove(path)
            if not changes:  # what was hashed just now is not hashed again
                write_whole(_beside(path, "seen"), json.dumps([sums, _stamp(path)]))
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write under, of the same ending; what lies there takes the place of `path` at the end.

    Whoever reads `path` sees all of the old or all of the new. What is raised leaves the old, and nothing else.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")  # containers that share it number alike
    try:
        yield temporary
        temporary.replace(path)
    finally:
        _remove(temporary)


@contextmanager
def _part(path: Path) -> Iterator[Path]:
    """As `replacing`, under the same name after a kill."""
    part = path.with_name(f"{path.name}.part")
    for other in path.parent.glob("*.part"):
        with suppress(FileNotFoundError):
            if other != part and time.time() - other.stat().st_mtime > STALE_PART_S:
                shutil.rmtree(other, ignore_errors=True)
    part.mkdir(exist_ok=True)
    try:
        yield part / path.name
    except Exception:
        _remove(part)
        raise
    (part / path.name).replace(path)
    _remove(part)


def write_whole(path: Path, text: str) -> None:
    """Write a small text file, as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_sums(path: Path) -> dict[str, list[int | str]]:
    """Size and SHA-256 of each file of `path`, a file or folder, as they were when it was made."""
    try:
        return json.loads(_beside(path, "sum").read_text())
    except (OSError, ValueError):
        return _sums(path)


def _left_by_the_killed(path: Path) -> list[Path]:
    """What makers left that were killed, a database's journal included: nobody else makes now."""
    return [left for name in (path.name, f"{path.name}-*") for left in path.parent.glob(f".*.{name}")]


def _usable(path: Path, changes: bool) -> bool:
    return path.exists() and (changes or _whole(path))


def _whole(path: Path) -> bool:
    """Whether `path` is as it was made."""
    try:
        sums, stamp_file = _beside(path, "sum").read_text(), _beside(path, "seen")
        stamp = json.dumps([sums, _stamp(path)])
        if stamp_file.exists() and stamp_file.read_text() == stamp:
            return True
        if json.loads(sums) != _sums(path):
            return False
    except (OSError, ValueError):
        return False
    write_whole(stamp_file, stamp)
    return True


def _sums(path: Path) -> dict[str, list[int | str]]:
    """Size and hash of each file."""
    sums: dict[str, list[int | str]] = {}
    for name, file in _files(path):
        with file.open("rb") as opened:
            sums[name] = [file.stat().st_size, hashlib.file_digest(opened, "sha256").hexdigest()]
    return sums


def _stamp(path: Path) -> list[list[int | str]]:
    return [[name, (s := file.stat()).st_size, s.st_mtime_ns, s.st_ino] for name, file in _files(path)]


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield str(file.relative_to(path)), file
    else:
        yield "", path


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
