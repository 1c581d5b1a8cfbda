"""Files that never change, named by their number and by a hash of what they hold, by which damage shows."""

import hashlib
from pathlib import PurePosixPath


def hashed_name(number: str, content: bytes, suffix: str) -> str:
    """`number-hash.suffix`; the hash has 16 hexadecimal digits."""
    return f"{number}-{_hash(content)}{suffix}"


def number_in(name: str) -> str:
    """The number of such a name, with or without folders before it."""
    return PurePosixPath(name).name.partition("-")[0]


def is_intact(name: str, content: bytes) -> bool:
    """Whether a file holds what was written under its name."""
    return PurePosixPath(name).stem.rpartition("-")[2] == _hash(content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
