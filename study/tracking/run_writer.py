"""Fills one MLflow experiment record by record, whatever the server does.

A server that does not answer never stops a sweep: it is asked again, less and less often, and what is missing in the
end is filled by the next run.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from evenkeel.study.file.header import SQLITE, in_address
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.database import client, first_line, gather, template
from evenkeel.study.tracking.message_queue import MessageQueue
from evenkeel.study.tracking.messages import (
    Answer,
    Attach,
    Notice,
    Opened,
    OpenExperiment,
    Outage,
    Recovered,
    Setup,
    Submit,
    Summary,
    from_line,
    to_line,
)
from evenkeel.study.tracking.study_runs import StudyRuns
from evenkeel.trainables import Trial

REFUSED = "INVALID_PARAMETER_VALUE"
NUM_RECENT = 256
"""Trials of at least two seconds; PostgreSQL writes what was committed to the disk within 0.6."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 120.0


class RunWriter:
    """Fills one MLflow experiment. `tell` hears of it: `Outage`, `Recovered`, `Opened`, `Notice`."""

    def __init__(self, setup: Setup, tell: Callable[[Answer], None]) -> None:
        self.setup, self.tell = setup, tell
        self.missed = MessageQueue(setup.templates)
        self.last: deque[tuple[TrialRecord, Sequence[str]]] = deque(maxlen=NUM_RECENT)
        self.num_refused = 0
        self.unattached: list[Attach] = []
        self.study: StudyRuns | None = None
        self.down = self.opened = self.ever_opened = False
        self.pause, self.again_at = FIRST_PAUSE_S, 0.0

    def warm(self) -> None:
        """Do what takes seconds and needs no study yet: import MLflow, let it build its tables and queries."""
        if self.setup.database:
            client(f"{SQLITE}{in_address(template(self.setup.templates))}").search_experiments(max_results=1)

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        try:
            client(self.setup.uri).search_experiments(max_results=1)
        except Exception as error:
            return first_line(error)
        return None

    def start(self, begun: OpenExperiment) -> None:
        """Open the experiment; runs of retired trials are deleted (MLflow keeps them until they are purged)."""
        self.study, self.opened = StudyRuns(self.setup, begun, lambda text: self.tell(Notice(text))), False
        self._try()

    def announce(self, trials: list[Trial], now: float) -> None:
        """Open the runs of trials that are about to run: MLflow shows them as running."""
        self._try(lambda study: study.announce(trials, now))

    def fill(self, record: TrialRecord, files: Sequence[str] = ()) -> None:
        """Track a record, with files that lie beside it, unless the server is down."""
        if not self._try(partial(self._log_unless_refused, record, files)):
            self.missed.put(to_line(Submit(record, list(files))))

    def retire(self, trial_ids: Sequence[str]) -> None:
        """Delete the runs of retired trials; of a server that does not answer, the next run does."""
        self._try(lambda study: study.retire(trial_ids))

    def attach(self, order: Attach) -> None:
        """Files of a loss, or of the study; with a word where MLflow's place for files cannot be reached."""
        if not self._try(lambda study: study.attach(order)):
            self.unattached.append(order)

    def summarize(self, summaries: dict[str, Summary]) -> None:
        """What the parents show, by loss."""
        self._try(lambda study: study.summarize(summaries))

    def wait_s(self) -> float | None:
        """How long until the server is asked again; None when nothing is missing."""
        return max(0.0, self.again_at - time.monotonic()) if self.down else None

    def retry(self, *, at_once: bool = False) -> int:
        """Ask a server that did not answer again, when it is time; returns how many trials are still missing."""
        if self.down and (at_once or time.monotonic() >= self.again_at):
            self.down = False
            if self._try():
                self._fill_last_again()
        while self.missed and not self.down:
            submit = from_line(self.missed.first())
            assert isinstance(submit, Submit)
            if not self._try(partial(self._log_unless_refused, submit.record, submit.files)):
                break
            self.missed.get()
        waiting, self.unattached = self.unattached, []
        for order in waiting:
            self.attach(order)
        if not self.down and self.pause > FIRST_PAUSE_S:
            self.pause = FIRST_PAUSE_S
            self.tell(Recovered())
        return len(self.missed) + self.num_refused

    def close(self) -> None:
        """The parents are over."""
        if self.study and self.study.begun.number == 0:
            self._try(StudyRuns.close)
        if self.opened and self.setup.database:
            gather(self.setup.database)

    def _try(self, action: Callable[[StudyRuns], object] = lambda study: None) -> bool:
        """Open the experiment where it is not, and run an action, unless the server is known to be down.

        True when it went well.
        """
        if self.down or self.study is None:
            return False
        try:
            if not self.opened:
                self._open(self.study)
            action(self.study)
        except Exception as error:  # whatever the server, the network or the database says
            self._note_outage(error)
            return False
        return True

    def _open(self, study: StudyRuns) -> None:
        experiment = study.open()
        self.opened = self.ever_opened = True
        self.tell(Opened(experiment))

    def _note_outage(self, error: Exception) -> None:
        self.down, self.opened = True, False
        self.again_at = time.monotonic() + self.pause
        if self.pause == FIRST_PAUSE_S:
            self.tell(Outage(first_line(error)))
        self.pause = min(2 * self.pause, LONGEST_PAUSE_S)

    def _fill_last_again(self) -> None:
        """A server that fell may have lost what it took last, since its commits do not wait for the disk."""
        for _ in range(len(self.last)):
            self.fill(*self.last.popleft())

    def _log_unless_refused(self, record: TrialRecord, files: Sequence[str], study: StudyRuns) -> None:
        """A record that MLflow will never take (a metric's name, say) must not keep the others waiting."""
        try:
            if study.log(record, files):
                self.last.append((record, files))
        except Exception as error:
            if getattr(error, "error_code", None) != REFUSED:
                raise
            study.forget(record.id)
            if not self.num_refused:
                study.say(f"MLflow refuses trial {record.id} of {record.trial.label}: {first_line(error)}")
            self.num_refused += 1
