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

from evenkeel.study.tracking.message_queue import Spool
from evenkeel.study.tracking.messages import (
    Announce,
    Answer,
    Attach,
    Check,
    Checked,
    Finish,
    Finished,
    Left,
    Message,
    Setup,
    Start,
    Submit,
    Summarize,
    from_line,
    to_line,
)
from evenkeel.study.tracking.run_writer import Filler

REPORT_EVERY_S = 5.0
MANY = 32
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
    waiting = Spool(setup.templates)

    def read() -> None:
        with suppress(OSError):  # no room for what waits
            for line in sys.stdin:
                waiting.put(line)
        os._exit(0)  # the driver is gone: the ledger has everything, and the next run may already be filling

    threading.Thread(target=read, daemon=True).start()
    filler = Filler(setup, answer)
    filler.warm()
    reported = time.monotonic()
    while True:
        try:
            message = from_line(waiting.get(filler.wait_s()))
        except queue.Empty:
            filler.retry()
            continue
        obey(message, filler, answer, busy=len(waiting) > MANY)
        if time.monotonic() - reported > REPORT_EVERY_S:
            reported = time.monotonic()
            answer(Left(len(waiting) + len(filler.missed)))


def obey(message: Message, filler: Filler, answer: Callable[[Answer], None], *, busy: bool) -> None:
    """Do what one message says. A filler that is busy announces nothing: the runs come with their results."""
    match message:
        case Check():
            answer(Checked(filler.check()))
        case Start():
            filler.start(message)
            gc.freeze()  # what MLflow made until now stays; not to search it for garbage saves a few percent
        case Announce(trials=trials, now=now) if not busy:
            filler.announce(trials, now)
        case Submit(record=record, files=files):
            filler.fill(record, files)
        case Summarize(summaries=summaries):
            filler.summarize(summaries)
        case Attach():
            filler.attach(message)
        case Finish(limit_s=limit_s):
            answer(Finished(_finish(filler, limit_s, answer)))


def _finish(filler: Filler, limit_s: float, answer: Callable[[Answer], None]) -> int:
    deadline = time.monotonic() + limit_s
    missing = filler.retry(at_once=True)
    while filler.missed and filler.ever_opened and (left := deadline - time.monotonic()) > 0:
        answer(Left(missing))
        time.sleep(min(left, filler.wait_s() or 0.0))
        missing = filler.retry()
    filler.close()
    return missing
