"""A guard for trials that never end: results of a pack, each awaited for so many seconds at most."""

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from evenkeel.study.run.death_note import GRACE_S, killed_after
from evenkeel.trainables import TrainableError

T = TypeVar("T")
END = object()


class _Expired(BaseException):
    """Raised into the thread that trains; no `except Exception` of a user's code swallows it."""


def limit_time(results: Iterator[T], seconds: float | None, trial_limit: float | None) -> Iterator[T]:
    """The results, as long as all of them together are awaited for less than `seconds` (None: without a limit).

    Raises TrainableError, naming the `trial_limit` of which these seconds were made. Work that never returns to
    Python is not interrupted: where the process has nothing else to do (death_note), it is ended.
    """
    left, grace = seconds, min(GRACE_S, max(1.0, trial_limit or 0))
    while True:
        started = time.monotonic()
        try:
            with _interrupted_after(left, grace):
                result = next(results, END)
        except _Expired:
            raise TrainableError(
                f"a pack took longer than resources.trial_limit, {trial_limit:g} seconds a trial; raise it, or look at "
                "the trial alone with --serial"
            ) from None
        if result is END:
            return
        left = None if left is None else left - (time.monotonic() - started)
        yield result  # type: ignore[misc]


@contextmanager
def _interrupted_after(seconds: float | None, grace: float) -> Iterator[None]:
    """Raise `_Expired` in this thread when the block takes longer; not once it has been left."""
    if seconds is None:
        yield
        return
    with killed_after(max(0.0, seconds) + grace), _raised_after(seconds):
        yield


@contextmanager
def _raised_after(seconds: float) -> Iterator[None]:
    inside, lock, thread = [True], threading.Lock(), threading.get_ident()

    def expire() -> None:
        with lock:
            if inside:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Expired))

    timer = threading.Timer(max(0.0, seconds), expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            inside.clear()
        timer.cancel()
