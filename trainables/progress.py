"""How far something long has come, said where other processes of the machine can read it."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

EVERY_S = 10.0
STALE_S = 120.0


@contextmanager
def progress(cache: Path, task: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to call with how many of `total` are done; what it says is gone at the end."""
    file = cache / f"progress-{os.getpid()}.txt"

    def done(num: int) -> None:
        with suppress(OSError):
            file.write_text(f"{task}: {num:,} of {total:,}", encoding="utf-8")

    done(0)
    try:
        yield done
    finally:
        file.unlink(missing_ok=True)


def being_made(cache: Path) -> list[str]:
    """What is said now; what was not said again for STALE_S is a killed process's."""
    texts = []
    for file in sorted(cache.glob("progress-*.txt")):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime < STALE_S:
                texts.append(file.read_text(encoding="utf-8"))
    return [text for text in texts if text]


@contextmanager
def telling(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Say every ten seconds how far what is made on this machine has come."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(EVERY_S):
            for text in being_made(cache):
                say(f"  {text}")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
