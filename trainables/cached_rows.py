"""An array whose rows are computed batch after batch, written so that a process goes on where a killed one was."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
import torch

from evenkeel.trainables.cache import write_whole
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.machine import machine_kind
from evenkeel.trainables.progress import progress

SETTLED_EVERY_S = 2.0
"""Rows are brought to the disk, and noted, so often at most."""

LIBRARIES = ("torch", "timm", "open_clip_torch")
ROWS_FILE = "rows.json"


def go_on_alike(notes: Path, device: str) -> None:
    """Empty the folder of what outlived a kill, where a machine or libraries began it that would round otherwise."""
    maker = json.dumps(
        machine_kind(device) | {name: version(name) for name in LIBRARIES} | {"threads": torch.get_num_threads()}
    )
    note = notes / "maker.json"
    if not note.exists() or note.read_text(encoding="utf-8") != maker:
        for left in notes.rglob("*"):
            if left.is_file():
                left.unlink()
        write_whole(note, maker)


def write_rows(
    path: Path, num_rows: int, batches: Callable[[int], Iterator[np.ndarray]], notes: Path, task: str
) -> None:
    """Write an array [N, D] float32 as `path`, byte for byte what `np.save` writes; `batches(start)` are its rows.

    The folder `notes`, of the cache, says how many rows are on the disk; that they are made is said there too. Raises
    TrainableError where the disk has less room than all rows take, OSError where it is full.
    """
    done = _settled_rows(path, notes)
    with path.open("r+b" if done else "wb") as file, progress(notes.parent, task, num_rows) as show:
        file.seek(0, os.SEEK_END)
        settled = time.monotonic()
        show(done)
        for batch in batches(done):
            if not done:
                _write_header(file, (num_rows, *batch.shape[1:]), notes.parent)
            file.write(np.ascontiguousarray(batch, dtype=np.float32).tobytes())
            show(done := done + len(batch))
            if done == num_rows or time.monotonic() - settled > SETTLED_EVERY_S:
                _settle(file, done, notes)
                settled = time.monotonic()


def _write_header(file: IO[bytes], shape: tuple[int, ...], cache: Path) -> None:
    needed, free = 4 * int(np.prod(shape)), shutil.disk_usage(cache).free
    if needed > free:
        raise TrainableError(
            f"{cache}: {shape[0]:,} rows of {shape[1]:,} features take {needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are "
            "free; free some, or set EVENKEEL_CACHE to another disk"
        )
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _settle(file: IO[bytes], done: int, notes: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    write_whole(notes / ROWS_FILE, json.dumps({"rows": done, "bytes": file.tell()}))


def _settled_rows(path: Path, notes: Path) -> int:
    """How many rows are written; what lies behind them is cut off."""
    try:
        noted = json.loads((notes / ROWS_FILE).read_text(encoding="utf-8"))
        if path.stat().st_size < noted["bytes"]:
            return 0
        os.truncate(path, noted["bytes"])
        return int(noted["rows"])
    except (OSError, ValueError):
        return 0
