"""Notices that the head of the Ray cluster is gone: Ray itself is silent for a minute, and then ends the process."""

import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from evenkeel.study.errors import EXIT_CLUSTER, ClusterError

HEAD_POLL_S = 1.0
DEAD_AFTER_S = 10.0
DRIVER_STOP_S = 10.0
"""How long the driver may take to stop by itself; Ray's calls may never return."""


class Watchdog:
    """Looks whether `address` (host:port) takes connections, from a thread, until the context ends."""

    def __init__(self, address: str, fail: Callable[[Exception], None]) -> None:
        self.host, _, self.port = address.rpartition(":")
        self.fail = fail
        self.over = threading.Event()

    def __enter__(self) -> "Watchdog":
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def _watch(self) -> None:
        silent = 0.0
        while not self.over.wait(HEAD_POLL_S):
            silent = 0.0 if self._answers() else silent + HEAD_POLL_S
            if silent >= DEAD_AFTER_S:
                return self._end()

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, int(self.port)), timeout=HEAD_POLL_S).close()
        except OSError:
            return False
        return True

    def _end(self) -> None:
        text = (
            f"the head of the Ray cluster ({self.host}:{self.port}) does not answer any more; nothing is lost: start "
            "the cluster again, and the same command goes on"
        )
        self.fail(ClusterError(text))
        if not self.over.wait(DRIVER_STOP_S):
            exit_with_message(text, EXIT_CLUSTER)


def exit_with_message(text: str, code: int) -> NoReturn:
    """Say why, and end this process at once, whatever its other threads wait for."""
    sys.stderr.write(f"evenkeel: {text}\n")
    sys.stderr.flush()
    os._exit(code)
