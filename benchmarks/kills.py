"""A kill loop on real Ray: signals at random moments until a study is done. Is its table that of an undisturbed run?

python -m benchmarks.kills [--seed 0] [--signals 25] [--trial-s 0.3] [--serial]     (make kills)

One study (four losses; sweep, Sobol points, search; MLflow) meets one signal after the other: to the command, or to the
process inside it that works. Which signal, when, and to whom the seed draws. It also draws the tries in which a second
driver starts beside the first (it must be refused, or take over from one that is dead), those in which `report` reads
while the run writes, and those in which the disk of the study is full for a while (where root may mount one; elsewhere
a line says that none is filled). Then the same command runs until it ends well. At the end every planned trial is
recorded exactly once and stands exactly once in MLflow, no run is open, the table is that of an undisturbed run in one
process (to 1e-9), no process and no temporary file is left. Printed of each try: moment, signal, exit codes, records.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.faults import LIMIT_S, Bench, may_mount, own_disk, undisturbed
from evenkeel.study.errors import EXIT_BAD_INPUT, EXIT_CLUSTER, EXIT_INTERRUPTED, EXIT_OK, EXIT_STORAGE

STUDY = """
name: faults
data: {{name: digits-mlt}}
trainable: {{name: "benchmarks.instant:Instant", trial_s: {trial_s}}}
losses: [bce, {{loss: apl, fixed: {{focusing: full}}}}, {{loss: ral, fixed: {{focusing: full}}}}, hill]
designs: {{sweep: {{levels: {levels}}}, sobol: {{m: 2}}, search: {{trials: 8, batch: 2, groups: 2, fresh_seeds: 2}}}}
seeds: {seeds}
resources: {{pack_size: 6}}
"""
SIGNALS = {
    signal.SIGINT: {EXIT_INTERRUPTED, -signal.SIGINT},
    signal.SIGTERM: {EXIT_INTERRUPTED, -signal.SIGTERM},
    signal.SIGHUP: {EXIT_INTERRUPTED, -signal.SIGHUP},
    signal.SIGKILL: {-signal.SIGKILL},
}
"""Signals, and how a command ends that gets one and was not over: 130, or by the signal before it has handlers."""


@dataclass(frozen=True)
class Try:
    """What happens to one run: `number` is sent after `delay_s` seconds, to the process inside if `inner`.

    From half of that time on a `rival` runs beside it, `report` reads, the disk is `full` until the signal.
    """

    number: signal.Signals
    delay_s: float
    inner: bool
    rival: bool
    reads: bool
    full: bool

    @classmethod
    def draw(cls, rng: random.Random, longest_s: float) -> "Try":
        """A try at random."""
        number = rng.choice(list(SIGNALS))
        inner = number == signal.SIGKILL and rng.random() < 0.5
        return cls(number, rng.uniform(0, longest_s), inner, rng.random() < 0.3, rng.random() < 0.3, rng.random() < 0.2)

    def __str__(self) -> str:
        meant = {"rival": self.rival, "report": self.reads, "disk full": self.full}
        more = [text for text, is_meant in meant.items() if is_meant]
        receiver = " inside" if self.inner else ""
        return f"{self.number.name}{receiver} after {self.delay_s:4.1f} s{''.join(f', {text}' for text in more)}"


def meet(bench: Bench, draw: Try) -> list[int]:
    """Run the study until the signal; returns the exit codes of the run, of its rival and of the report."""
    process = bench.start()
    began = time.monotonic()
    time.sleep(draw.delay_s / 2)
    rival = bench.start() if draw.rival else None
    page = start_report(bench) if draw.reads else None
    with full_disk(bench) if draw.full else nullcontext(), suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, draw.delay_s - (time.monotonic() - began)))
    send(process, draw)
    code = process.wait(LIMIT_S)
    fine = {EXIT_OK, EXIT_STORAGE} if draw.full else {EXIT_OK}
    allowed = {EXIT_CLUSTER} if draw.inner else SIGNALS[draw.number]
    assert code in fine | allowed, f"exit code {code} of {draw}:\n{bench.log()}"
    codes = [code]
    for other in (rival, page):
        if other is not None:
            codes.append(other.wait(LIMIT_S))
            assert codes[-1] in fine | {EXIT_BAD_INPUT}, f"exit code {codes[-1]} beside {draw}:\n{bench.log()}"
    return codes


def send(process: subprocess.Popen[str], draw: Try) -> None:
    """The signal, unless the run is over."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError, ValueError):
        outer = psutil.Process(process.pid)
        target = min(outer.children(), key=lambda child: child.create_time()) if draw.inner else outer
        target.send_signal(draw.number)


@contextmanager
def full_disk(bench: Bench) -> Iterator[None]:
    """While this lasts, not a byte more goes onto the disk of the study."""
    ballast = bench.storage / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


def start_report(bench: Bench) -> subprocess.Popen[str]:
    """The report, written elsewhere, of what is recorded now: a page, or a line that nothing is."""
    page = str(bench.folder / "page.html")
    command = [sys.executable, "-m", "evenkeel", "report", str(bench.folder / "faults.yaml"), "-o", page]
    with (bench.folder / "log").open("a") as log:
        return subprocess.Popen([*command, "--storage", str(bench.storage)], stdout=log, stderr=log, text=True)


def run(
    bench: Bench, rng: random.Random, num_signals: int, longest_s: float, total: int, *, may_fill: bool = False
) -> int:
    """Signals until so many came or the study is done; returns how many came.

    `may_fill`: the study lies on a small disk of its own.
    """
    for number in range(num_signals):
        if bench.num_recorded() >= total:
            return number
        draw = Try.draw(rng, longest_s)
        draw = replace(draw, full=draw.full and may_fill)
        codes = meet(bench, draw)
        ended = ", ".join(map(str, codes))
        print(f"{number + 1:3} {draw!s:52} exit {ended:12} {bench.num_recorded():4} recorded", flush=True)
    return num_signals


def main() -> None:
    """Draw, kill, finish, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signals", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=4, help="of the study: more seeds, more trials")
    parser.add_argument("--trial-s", type=float, default=0.3)
    parser.add_argument("--longest-s", type=float, default=20.0, help="a signal comes within so many seconds")
    parser.add_argument("--serial", action="store_true", help="without Ray")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ek") as name:
        folder, sizes = Path(name), {"levels": 7, "seeds": options.seeds}
        expected = undisturbed(folder / "undisturbed", STUDY.format(trial_s=0, **sizes))
        how = ["--serial"] if options.serial else ["--workers", "2"]
        text = STUDY.format(trial_s=options.trial_s, **sizes)
        bench = Bench(folder / "killed", text, None, random.Random(options.seed), how)
        print(f"{len(expected)} trials, seed {options.seed}")
        if not (may_fill := may_mount(folder)):
            print("no disk is filled: nothing can be mounted here")
        with own_disk(bench) if may_fill else nullcontext():
            num = run(bench, bench.rng, options.signals, options.longest_s, len(expected), may_fill=may_fill)
            bench.finish()
        bench.check(expected)
    print(f"{num} signals left the table as it would have been, every trial once in the ledger and once in MLflow")


if __name__ == "__main__":
    main()
