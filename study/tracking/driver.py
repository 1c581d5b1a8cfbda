"""The driver's end of MLflow: it hands records to the process that fills MLflow, and never waits for it in mid-run."""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, Any

from study.records.record import TrialRecord
from study.tracking.messages import (
    Announce,
    Check,
    Checked,
    Finish,
    Finished,
    Message,
    Outage,
    Setup,
    Start,
    Submit,
    from_line,
    to_line,
)
from trainables import Trial

CLOSE_TIMEOUT_S = 10
SERVE = "import sys; sys.path[:] = {path}; from study.tracking.process import serve; serve()"
"""Finds what the driver finds: `-m` would put the working folder, and whatever lies there, in front."""
PROCESS_ENDED = "its process ended"


class Tracker:
    """Starts the filling process at once, so that MLflow is imported while the driver still plans."""

    def __init__(self, setup: Setup, on_outage: Callable[[str], None]) -> None:
        self.on_outage = on_outage
        self.num_submitted = 0
        self.answers: queue.Queue[Message] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the driver, which then closes this process
        )
        assert self.process.stdin and self.process.stdout
        self.pipe: IO[str] = self.process.stdin
        self.listener = threading.Thread(target=self._listen, args=[self.process.stdout], name="tracking", daemon=True)
        self.listener.start()
        self._tell(setup)

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        self._tell(Check())
        answer = self.answers.get()
        return answer.problem if isinstance(answer, Checked) else PROCESS_ENDED

    def start(self, facts: dict[str, Any], backlog: Iterable[TrialRecord], retired: set[str]) -> None:
        """Open the experiment and begin to fill it: first the recorded trials it lacks, then what `submit` brings."""
        self._tell(Start(facts, sorted(retired)))
        for record in backlog:
            self.submit(record)

    def announce(self, trials: list[Trial]) -> None:
        """Show trials as running; returns at once."""
        self._tell(Announce(trials, time.time()))

    def submit(self, record: TrialRecord) -> None:
        """Track a record soon; returns at once."""
        self.num_submitted += 1
        self._tell(Submit(record))

    def finish(self) -> int:
        """Wait until all is tracked; returns how many trials are still missing."""
        self._tell(Finish())
        answer = self.answers.get()
        return answer.missing if isinstance(answer, Finished) else self.num_submitted

    def close(self) -> None:
        """End the process; what it has not filled yet is filled by the next run, from the ledger."""
        with suppress(BrokenPipeError):
            self.pipe.close()
        self.process.wait(CLOSE_TIMEOUT_S)

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, message: Message) -> None:
        with suppress(BrokenPipeError):  # the listener says so
            self.pipe.write(to_line(message))
            self.pipe.flush()

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            message = from_line(line)
            if isinstance(message, Outage):
                self.on_outage(message.text)
            else:
                self.answers.put(message)
        if not self.pipe.closed:
            self.on_outage(PROCESS_ENDED)
        self.answers.put(Outage(PROCESS_ENDED))
