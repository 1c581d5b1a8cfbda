"""What MLflow says of the losses, worked out again while trials run, in a thread of its own."""

import time
from collections.abc import Callable

from evenkeel.study.background import Background

FIRST_SUMMARY_S = 60.0
"""The least time between two; a study that is over by then is summarized at its end alone."""
SUMMARY_TIME_SHARE = 0.02
"""Of the time, at most, that the work may take."""


class PeriodicSummary(Background):
    """While it is entered, `work` is done now and then, if `version` has changed since; what it raises is said."""

    def __init__(
        self,
        work: Callable[[], None],
        version: Callable[[], int],
        say: Callable[[str], None],
        every_s: float = FIRST_SUMMARY_S,
    ) -> None:
        super().__init__("summaries")
        self.work, self.version, self.say, self.every_s = work, version, say, every_s

    def _work(self) -> None:
        pause, summarized = self.every_s, self.version()
        while not self.over.wait(pause):
            if (now := self.version()) == summarized:
                continue
            summarized, started = now, time.monotonic()
            try:
                self.work()
            except Exception as error:  # the trials matter more, and the end of the run tries again
                self.say(f"the losses could not be summarized for MLflow ({type(error).__name__}: {error})")
                return
            pause = max(self.every_s, (time.monotonic() - started) / SUMMARY_TIME_SHARE)
