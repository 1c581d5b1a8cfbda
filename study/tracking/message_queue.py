"""What waits for MLflow: lines in a file without a name, so that a server that is slow or gone costs no memory."""

import queue
import threading
from pathlib import Path
from tempfile import TemporaryFile


class MessageQueue:
    """Lines, first in, first out, written and read by any thread. The file goes with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = TemporaryFile(dir=folder)  # noqa: SIM115
        self.begin = self.end = self.number = 0
        self.changed = threading.Condition()

    def __len__(self) -> int:
        return self.number

    def put(self, line: str) -> None:
        """Add a line, which ends in a line feed. Raises OSError when the disk is full."""
        content = line.encode()
        with self.changed:
            self.file.seek(self.end)
            self.file.write(content)
            self.end += len(content)
            self.number += 1
            self.changed.notify()

    def first(self) -> str:
        """The line that `get` would take; it stays. Raises queue.Empty."""
        with self.changed:
            return self._line()

    def get(self, timeout: float | None = None) -> str:
        """Take a line, once there is one. Raises queue.Empty when there is none after so many seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.number, timeout)
            line = self._line()
            self.begin += len(line.encode())
            self.number -= 1
            if not self.number:
                self.begin = self.end = 0
                self.file.truncate(0)
            return line

    def _line(self) -> str:
        if not self.number:
            raise queue.Empty
        self.file.seek(self.begin)
        return self.file.readline().decode()
