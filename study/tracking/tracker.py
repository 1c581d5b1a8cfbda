"""The driver's end of MLflow: it hands records to the processes that fill it, and never waits for them in mid-run."""

import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.messages import (
    Announce,
    Attach,
    Check,
    Checked,
    Finish,
    Finished,
    Message,
    Notice,
    Opened,
    OpenExperiment,
    Order,
    Outage,
    Recovered,
    Remaining,
    Retire,
    Setup,
    StudyDescription,
    Submit,
    Summarize,
    Summary,
    assign_process,
    from_line,
    to_line,
)
from evenkeel.trainables import Trial
from evenkeel.trainables.own_path import path_of_installed
from evenkeel.trainables.resources import usable_cpus, user_name

CLOSE_TIMEOUT_S = OPEN_TIMEOUT_S = 10
GIVE_UP_S = 60.0
"""How long the end of a run waits for a server that does not answer; the next run fills what is missing."""
SAY_EVERY_S = 10.0
COUNT_EVERY_S = 30.0
MANY_TRIALS = 500
"""From so many on several processes fill MLflow, where there are cores for them: one writes some 30 runs a second."""
MAX_SQLITE_WRITERS, MAX_WRITERS = 2, 4
"""Processes. An sqlite database takes one writer at a time."""
SERVE = "import sys; sys.path[:] = {path}; from evenkeel.study.tracking.writer_process import serve; serve()"
"""Finds what the driver finds: `-m` would put the working folder, and whatever lies there, in front."""
PROCESS_ENDED = "its process ended"


class WriterPipe:
    """One filling process. `hear` is called, in a thread of its own, with whatever it says."""

    def __init__(self, setup: Setup, on_message: Callable[[Message], None]) -> None:
        self.on_message, self.num_submitted = on_message, 0
        self.answers: queue.Queue[Message] = queue.Queue()
        self.telling_lock = threading.Lock()  # summaries come from another thread
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE.format(path=path_of_installed())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the driver, which then closes this process
        )
        assert self.process.stdin and self.process.stdout
        self.stdin = self.process.stdin
        threading.Thread(target=self._listen, args=[self.process.stdout], name="tracking", daemon=True).start()
        self.tell(setup)

    def tell(self, order: Order) -> None:
        """Returns at once."""
        self.num_submitted += isinstance(order, Submit)
        with self.telling_lock, suppress(BrokenPipeError):  # the listener says so
            self.stdin.write(to_line(order))
            self.stdin.flush()

    def close(self) -> None:
        """End the process, whatever it has still to do."""
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.process.wait(CLOSE_TIMEOUT_S)

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            message = from_line(line)
            (self.answers.put if isinstance(message, Checked | Finished) else self.on_message)(message)
        if not self.stdin.closed:
            self.on_message(Outage(PROCESS_ENDED))
        self.answers.put(Outage(PROCESS_ENDED))


class Tracker:
    """Starts a filling process at once, so that MLflow is imported while the driver still plans.

    `on_outage` hears why the server does not answer, `say` what a user may read; `files_of` gives the URLs of the files
    beside a record that its run is to show.
    """

    def __init__(
        self,
        setup: Setup,
        on_outage: Callable[[str], None],
        say: Callable[[str], None],
        files_of: Callable[[TrialRecord], list[str]] = lambda record: [],
    ) -> None:
        self.setup, self.files_of = replace(setup, source=collect_source_tags() | setup.source), files_of
        self.on_outage, self.say = on_outage, say
        self.counts: dict[str, Counter[str]] = {}
        self.counted_at = self.said_at = time.monotonic()
        self.finishing = False
        self.opened: str | None = None
        self.open = threading.Event()
        self.silent: set[int] = set()
        self.hearing_lock = threading.Lock()  # each process is heard in a thread of its own
        self.pipes = [WriterPipe(self.setup, partial(self._take_message, 0))]

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        self.pipes[0].tell(Check())
        answer = self.pipes[0].answers.get()
        return answer.problem if isinstance(answer, Checked) else PROCESS_ENDED

    def start(self, begun: OpenExperiment, backlog: Iterable[TrialRecord], num_trials: int) -> None:
        """Open the experiment and begin to fill it: first the recorded trials it lacks, then what `submit` brings."""
        most = 1 if num_trials < MANY_TRIALS else MAX_SQLITE_WRITERS if self.setup.database else MAX_WRITERS
        numbers = range(1, min(most, usable_cpus()))
        self.pipes += [WriterPipe(self.setup, partial(self._take_message, number)) for number in numbers]
        for number, pipe in enumerate(self.pipes):
            pipe.tell(replace(begun, number=number, num_processes=len(self.pipes)))
        for record in backlog:
            self.submit(record)

    def experiment(self) -> str | None:
        """The id of the study's experiment in MLflow; None while nobody answers."""
        if not self.silent:
            self.open.wait(OPEN_TIMEOUT_S)
        return self.opened

    def announce(self, trials: list[Trial]) -> None:
        """Show trials as running; returns at once."""
        for number, pipe in enumerate(self.pipes):
            if mine := [trial for trial in trials if assign_process(trial.id, len(self.pipes)) == number]:
                pipe.tell(Announce(mine, time.time()))

    def submit(self, record: TrialRecord) -> None:
        """Track a record soon; returns at once. The parents' counts follow now and then."""
        self.pipes[assign_process(record.id, len(self.pipes))].tell(Submit(record, self.files_of(record)))
        self.counts.setdefault(record.trial.label, Counter())[record.state] += 1
        if time.monotonic() - self.counted_at > COUNT_EVERY_S:
            self.counted_at = time.monotonic()
            self.summarize({})

    def retire(self, trial_ids: Iterable[str]) -> None:
        """Take the runs of trials away that are no longer part of the study; returns at once."""
        for pipe in self.pipes:
            pipe.tell(Retire(list(trial_ids)))

    def summarize(self, summaries: dict[str, Summary]) -> None:
        """Show the summaries by loss, and how many trials are recorded, on the parent runs; returns at once."""
        counted = {label: count_states(counter.copy()) for label, counter in self.counts.copy().items()}
        complete = {
            label: replace(summaries.get(label, Summary()), numbers=numbers | summaries.get(label, Summary()).numbers)
            for label, numbers in counted.items()
        }
        self.pipes[0].tell(Summarize(complete))

    def attach(self, orders: Iterable[Attach]) -> None:
        """Show files; returns at once, and they must stay until all is tracked."""
        for order in orders:
            self.pipes[0].tell(order)

    def finish(self, limit_s: float = GIVE_UP_S) -> int:
        """Wait until all is tracked, or the server was silent for `limit_s`; returns how many trials are missing."""
        self.finishing = True
        for pipe in self.pipes:
            pipe.tell(Finish(limit_s))
        answers = [(pipe, pipe.answers.get()) for pipe in self.pipes]
        self.finishing = False
        return sum(answer.missing if isinstance(answer, Finished) else pipe.num_submitted for pipe, answer in answers)

    def close(self) -> None:
        """End the processes; what they have not filled yet is filled by the next run, from the ledger."""
        for pipe in self.pipes:
            pipe.close()

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note_outage(self, number: int, text: str) -> None:
        with self.hearing_lock:
            if not self.silent:
                self.on_outage(text)
            self.silent.add(number)

    def _note_recovery(self, number: int) -> None:
        with self.hearing_lock:
            if self.silent == {number}:
                self.say("MLflow answers again")
            self.silent.discard(number)

    def _take_message(self, number: int, message: Message) -> None:
        """What process `number` says. An outage that all of them meet is said once, and so is its end."""
        match message:
            case Outage(text=text):
                self._note_outage(number, text)
            case Recovered():
                self._note_recovery(number)
            case Opened(experiment=experiment):
                self.opened = experiment
                self.open.set()
            case Notice(text=text):
                self.say(text)
            case Remaining(number=left) if left and self.finishing and time.monotonic() - self.said_at > SAY_EVERY_S:
                self.said_at = time.monotonic()
                self.say(f"still to be tracked in MLflow: {left:,}")


def count_states(states: Counter[str]) -> dict[str, float]:
    """Metrics of a parent run: trials by state, and the share that diverged."""
    done = {f"trials/{state}": float(number) for state, number in states.items()}
    return done | {"trials/recorded": float(states.total()), "rate/diverged": states["diverged"] / states.total()}


def collect_source_tags() -> dict[str, str]:
    """MLflow's own tags for who ran what, from which commit (of the working folder, where it is a repository)."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    commit = {"mlflow.source.git.commit": git.stdout.strip()} if git.returncode == 0 else {}
    return {"mlflow.user": user_name(), "mlflow.source.name": "evenkeel", "mlflow.source.type": "LOCAL"} | commit


__all__ = ["StudyDescription", "Attach", "Setup", "OpenExperiment", "Summary", "Tracker"]
