"""The driver's end of MLflow: it hands records to the process that fills MLflow, and never waits for it in mid-run."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from study.records.record import TrialRecord
from trainables import Trial

CLOSE_TIMEOUT_S = 10


def default_uri(storage: str) -> str:
    """A database inside the study's folder, by absolute path (object stores need an explicit tracking URI)."""
    return f"sqlite:///{Path(storage).resolve()}/mlflow.db"


class Tracker:
    """Starts the filling process at once, so that MLflow is imported while the driver still plans."""

    def __init__(
        self, uri: str, study: str, *, artifacts: str | None, templates: Path, on_outage: Callable[[str], None]
    ) -> None:
        self.on_outage = on_outage
        self.num_submitted = 0
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "study.tracking.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the driver, which then closes this process
        )
        self.listener = threading.Thread(target=self._listen, name="tracking", daemon=True)
        self.listener.start()
        self._tell(uri=uri, study=study, artifacts=artifacts, templates=str(templates))

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        self._tell(check=True)
        return self.answers.get().get("problem")

    def start(self, study: dict[str, Any], backlog: list[TrialRecord], retired: set[str]) -> None:
        """Open the experiment and begin to fill it: first the recorded trials it lacks, then what `submit` brings."""
        self._tell(start=study, retired=sorted(retired))
        for record in backlog:
            self.submit(record)

    def announce(self, trials: list[Trial]) -> None:
        """Show trials as running; returns at once."""
        self._tell(announce=[asdict(trial) for trial in trials], now=time.time())

    def submit(self, record: TrialRecord) -> None:
        """Track a record soon; returns at once."""
        self.num_submitted += 1
        self._tell(record=record.to_json())

    def finish(self, study: dict[str, Any]) -> int:
        """Wait until all is tracked; returns how many trials are still missing."""
        self._tell(finish=study)
        return self.answers.get().get("missing", self.num_submitted)

    def close(self) -> None:
        """End the process; what it has not filled yet is filled by the next run, from the ledger."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(CLOSE_TIMEOUT_S)

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, **message: Any) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the listener says so
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if "outage" in message:
                self.on_outage(message["outage"])
            else:
                self.answers.put(message)
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.on_outage("its process ended")
        self.answers.put({"problem": "its process ended"})
