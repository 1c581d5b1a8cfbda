"""The process that fills MLflow, driven over its standard streams.

MLflow takes seconds to import and tens of milliseconds a trial: a driver that did this itself would starve its workers.
"""

import os
import queue
import sys
import threading

from study.tracking.filler import Filler
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


def serve() -> None:
    """Do what the lines on standard input say, until they end; then leave at once, whatever is still waiting."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what MLflow prints must not pass for an answer

    def answer(message: Message) -> None:
        answers.write(to_line(message))
        answers.flush()

    waiting: queue.Queue[Message] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(from_line(line))
        os._exit(0)  # the driver is gone: the ledger has everything, and the next run may already be filling

    threading.Thread(target=read, daemon=True).start()
    setup = waiting.get()
    assert isinstance(setup, Setup)
    filler = Filler(setup, on_outage=lambda text: answer(Outage(text)))
    filler.warm()
    while True:
        match waiting.get():
            case Check():
                answer(Checked(filler.check()))
            case Start(facts=facts, retired=retired):
                filler.start(facts, set(retired))
            case Announce(trials=trials, now=now):
                filler.announce(trials, now)
            case Submit(record=record):
                filler.fill(record)
            case Finish():
                answer(Finished(filler.finish()))
