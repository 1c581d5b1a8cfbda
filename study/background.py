"""Work beside a run, in a thread of its own."""

import threading
from typing import Self


class Background:
    """`_work` goes on from when this is entered until it is left; it ends once `over` is set."""

    def __init__(self, name: str) -> None:
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _work(self) -> None:
        raise NotImplementedError
