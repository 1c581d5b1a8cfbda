"""The process that fills MLflow, driven over its standard streams.

MLflow takes seconds to import and tens of milliseconds a trial: a driver that did this itself would starve its workers.
"""

import gc
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from evenkeel.study.tracking.message_queue import MessageQueue
from evenkeel.study.tracking.messages import (
    Announce,
    Answer,
    Attach,
    Check,
    Checked,
    Finish,
    Finished,
    Message,
    OpenExperiment,
    Remaining,
    Retire,
    Setup,
    Submit,
    Summarize,
    from_line,
    to_line,
)
from evenkeel.study.tracking.run_writer import RunWriter

REPORT_EVERY_S = 5.0
BUSY_MESSAGES = 32
"""With more messages waiting, runs are not opened before their results are there."""


def serve() -> None:
    """Do what the lines on standard input say, until they end; then leave at once, whatever is still waiting."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a job server signals every process; the driver ends this one
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what MLflow prints must not pass for an answer

    def answer(message: Answer) -> None:
        answers.write(to_line(message))
        answers.flush()

    setup = from_line(sys.stdin.readline())
    assert isinstance(setup, Setup)
    waiting = MessageQueue(setup.templates)

    def read() -> None:
        with suppress(OSError):  # no room for what waits
            for line in sys.stdin:
                waiting.put(line)
        os._exit(0)  # the driver is gone: the ledger has everything, and the next run may already be filling

    threading.Thread(target=read, daemon=True).start()
    filler = RunWriter(setup, answer)
    filler.warm()
    reported = time.monotonic()
    while True:
        try:
            message = from_line(waiting.get(filler.wait_s()))
        except queue.Empty:
            filler.retry()
            continue
        handle_message(message, filler, answer, busy=len(waiting) > BUSY_MESSAGES)
        if time.monotonic() - reported > REPORT_EVERY_S:
            reported = time.monotonic()
            answer(Remaining(len(waiting) + len(filler.missed)))


def handle_message(message: Message, filler: RunWriter, answer: Callable[[Answer], None], *, busy: bool) -> None:
    """Do what one message says. A filler that is busy announces nothing: the runs come with their results."""
    match message:
        case Check():
            answer(Checked(filler.check()))
        case OpenExperiment():
            filler.start(message)
            gc.freeze()  # what MLflow made until now stays; not to search it for garbage saves a few percent
        case Announce(trials=trials, now=now) if not busy:
            filler.announce(trials, now)
        case Submit(record=record, files=files):
            filler.fill(record, files)
        case Retire(trials=trials):
            filler.retire(trials)
        case Summarize(summaries=summaries):
            filler.summarize(summaries)
        case Attach():
            filler.attach(message)
        case Finish(limit_s=limit_s):
            answer(Finished(_finish(filler, limit_s, answer)))


def _finish(filler: RunWriter, limit_s: float, answer: Callable[[Answer], None]) -> int:
    deadline = time.monotonic() + limit_s
    missing = filler.retry(at_once=True)
    while filler.missed and filler.ever_opened and (left := deadline - time.monotonic()) > 0:
        answer(Remaining(missing))
        time.sleep(min(left, filler.wait_s() or 0.0))
        missing = filler.retry()
    filler.close()
    return missing
