"""How far something long has come, said where other processes of the machine can read it."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

EVERY_S = 10.0
STALE_S = 120.0


@contextmanager
def progress(cache: Path, task: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to call with how many of `total` (0: nobody knows) are done; what it says is gone at the end.

    It is said again every ten seconds, so that what is slow is not taken for a killed process's.
    """
    file, end = _file(cache, os.getpid()), f" of {total:,}" if total else ""

    def done(num: int) -> None:
        with suppress(OSError):
            file.write_text(f"{task}: {num:,}{end}", encoding="utf-8")

    def say_again() -> None:
        with suppress(OSError):
            os.utime(file)

    done(0)
    try:
        with _again_and_again(say_again):
            yield done
    finally:
        file.unlink(missing_ok=True)


def said_by(cache: Path, pid: int) -> str:
    """What a process of this machine says now; empty where it says nothing."""
    try:
        return _file(cache, pid).read_text(encoding="utf-8")
    except OSError:
        return ""


def _file(cache: Path, pid: int) -> Path:
    return cache / f"progress-{socket.gethostname()}-{pid}.txt"


def being_made(cache: Path) -> list[str]:
    """What is said now; what a killed process said is forgotten."""
    texts = []
    for file in sorted(cache.glob("progress-*.txt")):
        with suppress(OSError, ValueError):
            if _is_of_the_killed(file):
                file.unlink()
            else:
                texts.append(file.read_text(encoding="utf-8"))
    return [text for text in texts if text]


def _is_of_the_killed(file: Path) -> bool:
    """Whether its process is gone, here, or has not said it again for STALE_S, on another host or in a container."""
    import psutil

    host, _, number = file.stem.removeprefix("progress-").rpartition("-")
    gone = host == socket.gethostname() and not psutil.pid_exists(int(number))
    return gone or time.time() - file.stat().st_mtime > STALE_S


@contextmanager
def telling(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Say every ten seconds how far what is made on this machine has come."""

    def tell() -> None:
        for text in being_made(cache):
            say(f"  {text}")

    with _again_and_again(tell):
        yield


@contextmanager
def _again_and_again(act: Callable[[], None]) -> Iterator[None]:
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(EVERY_S):
            act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
