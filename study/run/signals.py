"""Ctrl-C, SIGTERM and SIGHUP: once, running packs finish and then the run stops; twice, it stops now."""

import _thread
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

ONE_S = 0.2
"""Ray's job server signals every process of a job: what comes at once, also by way of the parent, is one signal."""
CAUGHT = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Signals:
    """Handlers for as long as the context lasts; nothing is caught outside the main thread.

    `on_stop`, once set, is what the first signal does; before that nothing runs yet, and the first one stops at once.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.on_stop: Callable[[], None] | None = None
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
            for number in CAUGHT:
                before = signal.signal(number, self._caught)
                self.before.setdefault(number, before or signal.SIG_DFL)

    def fail(self, error: Exception) -> None:
        """Raise `error` in the main thread, from any other."""
        self.error = error
        _thread.interrupt_main()

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.error:
            raise self.error
        before, self.last = self.last, time.monotonic()
        if self.last - before < ONE_S:
            return
        self.num += 1
        if self.num > 1 or self.on_stop is None:
            raise KeyboardInterrupt
        self.say(f"{signal.Signals(number).name}: running packs finish, then it stops; once more stops at once")
        self.on_stop()
