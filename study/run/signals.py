"""Ctrl-C, SIGTERM and SIGHUP: once, running packs finish and then the run stops; twice, it stops now."""

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SAME_SIGNAL_S = 0.2
"""Ray's job server signals every process of a job: what comes at once, also by way of the parent, is one signal."""
CAUGHT_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Signals:
    """Handlers for as long as the context lasts; nothing is caught outside the main thread.

    Within `stopping` the first signal does what that says; before that nothing runs yet, and it stops at once.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.stop: Callable[[], None] | None = None
        self.error: Exception | None = None
        self.num, self.last = 0, float("-inf")
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def install(self) -> None:
        """Set the handlers (again: Ray's core sets one of its own for SIGTERM)."""
        if threading.current_thread() is threading.main_thread():
            for number in CAUGHT_SIGNALS:
                before = signal.signal(number, self._caught)
                self.before.setdefault(number, before or signal.SIG_DFL)

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """While this lasts, the first signal calls `stop`."""
        self.install()
        self.stop = stop
        try:
            yield
        finally:
            self.stop = None

    def fail(self, error: Exception) -> None:
        """Raise `error` in the main thread, from any other."""
        self.error = error
        _thread.interrupt_main()

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.error:
            raise self.error
        before, self.last = self.last, time.monotonic()
        if self.last - before < SAME_SIGNAL_S:
            return
        self.num += 1
        if self.num > 1 or self.stop is None:
            raise KeyboardInterrupt
        self.say(f"{signal.Signals(number).name}: running packs finish, then it stops; once more stops at once")
        self.stop()
