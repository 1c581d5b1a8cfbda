"""Arrays computed once and shared by all processes of a node: memory-mapped, written under a temporary name."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock


def cached_array(cache: Path, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array stored under `key`, memory-mapped read-only; made by one process while others wait."""
    path = cache / f"{key}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{key}.lock"):
            if not path.exists():
                _write(path, make())
    return np.load(path, mmap_mode="r")


def _write(path: Path, array: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        np.save(file, array)
    temporary.replace(path)
