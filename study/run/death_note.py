"""What a worker process leaves on its node in case it dies within a pack: where it was, what the kernel had killed.

Ray sees a connection end, and no more: it is no parent that could ask for an exit status. `faulthandler` writes from
inside a fatal signal, and its timer needs no Python to run, so that it also ends a C call that never returns.
"""

import faulthandler
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from evenkeel.trainables.cgroup import num_memory_kills

GRACE_S = 20.0
"""How long work that is given up may take until it comes back to Python."""
STALE_S = 3600.0
FATAL = re.compile(r"Fatal Python error: (.*)")
CURRENT = "Current thread"
FRAME = re.compile(r'File "(.*)", line (\d+) in (.*)')
_open_note: IO[str] | None = None


@contextmanager
def leave_death_note(cache: Path, own_process: bool) -> Iterator[None]:
    """While this process runs a pack, keep a note on its death, where `own_process`: nobody else lives in it."""
    global _open_note
    if not own_process:
        yield
        return
    _remove_stale(cache)
    path = _path(cache, os.getpid())
    with path.open("w", encoding="utf-8") as _open_note:
        _open_note.write(f"{num_memory_kills()} 0x{threading.get_ident():016x}\n")
        _open_note.flush()
        faulthandler.enable(_open_note)
        try:
            yield
        finally:
            faulthandler.enable()
            _open_note = None
            path.unlink(missing_ok=True)


@contextmanager
def killed_after(seconds: float) -> Iterator[None]:
    """End this process when the block takes longer, whatever it does; nothing happens where no note is kept."""
    if _open_note is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=_open_note)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def read_death_note(cache: str, pid: int) -> str:
    """Why a process of this node died, as far as it or the kernel left word; empty where neither did."""
    path = _path(Path(cache), pid)
    try:
        first, _, dump = path.read_text(encoding="utf-8", errors="replace").partition("\n")
        path.unlink()
        kills_before, thread = first.split()
    except (OSError, ValueError):
        return ""
    if fault := describe_fault(dump):
        return fault
    if "Timeout (" in dump:
        return f"longer than resources.trial_limit{_place(dump, thread)}, and deaf to being interrupted"
    if num_memory_kills() > int(kills_before):
        return "the kernel ended a process to free memory meanwhile: out of memory"
    return ""


def describe_fault(dump: str) -> str:
    """`segmentation fault, in file.py:12 (run)`, of what faulthandler wrote; empty where it met no fatal signal."""
    fatal = FATAL.search(dump)
    return f"{fatal[1].lower()}{_place(dump, CURRENT)}" if fatal else ""


def _place(dump: str, thread: str) -> str:
    """`, in file.py:12 (run)`: the innermost line of the thread that trained."""
    frame = FRAME.search(dump.partition(thread)[2] or dump)
    return f", in {Path(frame[1]).name}:{frame[2]} ({frame[3]})" if frame else ""


def _path(cache: Path, pid: int) -> Path:
    return cache / f"death-{socket.gethostname()}-{pid}.txt"


def _remove_stale(cache: Path) -> None:
    """Notes of processes that died with their driver: nobody asks for them."""
    for path in cache.glob(f"death-{socket.gethostname()}-*.txt"):
        with suppress(OSError, ValueError):
            is_dead = not psutil.pid_exists(int(path.stem.rpartition("-")[2]))
            if is_dead and path.stat().st_mtime < time.time() - STALE_S:
                path.unlink()
