"""What trials share is the same for a whole study, whatever machine made it first.

A network that is warm-started in float32 comes out another on a processor with other vector instructions, or on a GPU;
trials on such features differ by as much as the losses that are compared. So whoever makes features or weights first
fixes their content hash in the study's records and leaves the bytes there; all others take these, check them, and make
none of their own. Where nobody keeps records (a notebook, a test) a machine's cache is all there is.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from evenkeel.trainables.cache import file_sums, made_once

HASH_DIGITS = 16


class SharesLost(Exception):
    """The bytes that a study was begun with are gone from its records, or are others now."""


class StudyShares(Protocol):
    """Where a study keeps what its trials share."""

    def fixed(self, key: str) -> str | None:
        """The content hash that the study uses for `key`; None when nobody has made it yet."""
        ...

    def offer(self, key: str, path: Path, digest: str) -> str:
        """Leave the file or folder `path` there; returns the hash that counts, that of another who was first."""
        ...

    def fetch(self, digest: str, target: Path) -> None:
        """Write the bytes to `target`. Raises SharesLost."""
        ...

    def replace(self, key: str, path: Path, digest: str) -> None:
        """Use these from now on: the former bytes are lost."""
        ...


_current: list[StudyShares] = []


@contextmanager
def sharing(shares: StudyShares) -> Iterator[None]:
    """While this lasts, `made_once_a_study` goes by these records, in every thread of the process."""
    _current.append(shares)
    try:
        yield
    finally:
        _current.remove(shares)


def made_once_a_study(path: Path, make: Callable[[Path], object]) -> Path:
    """Where a file or folder lies that is the same for all trials of the study: `path`, or beside it what others made.

    `make` writes it as for `made_once`, which resumes, and is called only where the study has none yet, or has lost it.
    """
    make_own = partial(made_once, path, make, resumes=True)
    if not _current:
        return make_own()
    shares = _current[-1]
    if (fixed := shares.fixed(path.name)) is None:
        own = make_own()
        fixed = shares.offer(path.name, own, content_hash(own))
    if path.exists() and content_hash(path) == fixed:
        return make_own()
    try:
        beside = path.with_name(f"{path.stem}-{fixed}{path.suffix}")
        return made_once(beside, lambda target: shares.fetch(fixed, target))
    except SharesLost:
        own = make_own()
        shares.replace(path.name, own, content_hash(own))
        return own


def content_hash(path: Path) -> str:
    """A hash of the names, sizes and bytes of a file or of a folder's files, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(file_sums(path), sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]
