"""A process of its own for packs, without Ray: one that never ends, or ends its process, costs its own trials alone."""

import signal
import subprocess
import sys
import traceback
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from evenkeel.study.run.death_note import read_death_note
from evenkeel.study.run.pack import Pack, PackReport
from evenkeel.study.run.serial_runner import SerialRunner
from evenkeel.study.run.signals import CAUGHT_SIGNALS
from evenkeel.study.run.worker import run_pack
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.study.run.worker_death import DIED
from evenkeel.trainables.own_path import path_of_installed

SERVE = "import sys; sys.path[:] = {path}; from evenkeel.study.run.pack_process import serve; serve({pipe})"
END_S = 60.0
"""How long a process whose pipe is closed may take to be gone."""


class PackProcessRunner(SerialRunner):
    """Packs one after the other, in a process that is started again when it died."""

    process: "PackProcess | None" = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.process:
            self.process.end()
        self.process = None

    def run_pack(self, pack: Pack, context: WorkerContext) -> PackReport:
        self.process = self.process or PackProcess()
        try:
            return self.process.run(pack, replace(context, own_process=True))
        except EOFError:
            why, self.process = self.process.describe_death(context.cache), None
            return PackReport(error=why)


class PackProcess:
    """Signals are for the driver: it says what becomes of running packs."""

    def __init__(self) -> None:
        self.pipe, other = Pipe()
        code = SERVE.format(path=path_of_installed(), pipe=other.fileno())
        self.process = subprocess.Popen([sys.executable, "-P", "-c", code], pass_fds=[other.fileno()])
        other.close()

    def run(self, pack: Pack, context: WorkerContext) -> PackReport:
        """What `run_pack` gives there. Raises EOFError when the process died."""
        try:
            self.pipe.send((pack, context))
            return self.pipe.recv()
        except ConnectionError as error:
            raise EOFError from error

    def describe_death(self, cache: str) -> str:
        """Why the process died, in a line."""
        code = self.process.wait(END_S)
        self.pipe.close()
        ended = f"it was sent {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{DIED}: {read_death_note(cache, self.process.pid) or ended}"

    def end(self) -> None:
        """At once, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def serve(number: int) -> None:
    """Run the packs that come through the pipe of this file number, until it is closed."""
    for caught in CAUGHT_SIGNALS:
        signal.signal(caught, signal.SIG_IGN)
    pipe = Connection(number)
    while True:
        try:
            pack, context = pipe.recv()
        except EOFError:
            return
        pipe.send(_report(pack, context))


def _report(pack: Pack, context: WorkerContext) -> PackReport:
    try:
        return run_pack(pack, context)
    except BaseException:  # a user's code may raise anything
        return PackReport(error=traceback.format_exc(limit=20))
