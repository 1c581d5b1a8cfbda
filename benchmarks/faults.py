"""A study on three nodes under faults of every kind: is every trial there exactly once, with the undisturbed numbers?

python -m benchmarks.faults [--seed 0] [--trials 300] [--only NAME ...]     (make faults)

Each fault meets a study of its own in mid-run, at a moment that the seed draws; then the same command is run again
until it ends well. After each: every planned trial is recorded exactly once and stands exactly once in MLflow, no run
is open, the table is that of an undisturbed run in one process (to 1e-9), no process and no temporary file is left.
Printed of each: exit codes, seconds, and what the fault cost over an undisturbed run on the same nodes.
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from benchmarks.nodes import cluster, join, kill_head
from benchmarks.servers import MlflowServer, wait_for
from evenkeel.study.errors import EXIT_BAD_INPUT, EXIT_CLUSTER, EXIT_INTERRUPTED, EXIT_OK, EXIT_STORAGE
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.table import table_from_ledger
from evenkeel.study.run.lease import WHOLE_STUDY, Holder, _content, _path
from evenkeel.study.tracking.mlflow_table import table_from_mlflow

STUDY = """
name: faults
data: {{name: digits-mlt}}
trainable: {{name: "benchmarks.instant:Instant", trial_s: {trial_s}}}
losses: [bce, {{loss: apl, fixed: {{focusing: full}}}}, {{loss: ral, fixed: {{focusing: full}}}}]
designs: {{sweep: {{levels: 7}}, search: {{trials: 4, batch: 2, fresh_seeds: 2}}}}
seeds: {seeds}
resources: {{pack_size: {pack_size}}}
"""
TRIALS_A_SEED = 75
"""Of the sweep; 16 are searched besides."""
NODE = {"num_cpus": 1}
MARK = "EVENKEEL_FAULTS"
"""Set for whatever a bench starts: what bears it and outlives its run is an orphan."""
LIMIT_S, MOST_RUNS, SETTLE_S = 240, 5, 8
JUMP_S = 86_400.0


class Grid:
    """Nodes of one worker, made anew when their head has died."""

    def __init__(self, num_nodes: int = 3) -> None:
        self.num_nodes, self.stack = num_nodes, ExitStack()
        self.start()

    def start(self) -> None:
        self.cluster = self.stack.enter_context(cluster(*[NODE] * self.num_nodes))

    def close(self) -> None:
        self.stack.close()

    def any_node(self, rng: random.Random) -> Any:
        """One of those that run trials."""
        return rng.choice(sorted(self.cluster.worker_nodes, key=lambda node: node.node_id))

    def replace(self, node: Any) -> None:
        """A node dies by SIGKILL, another joins."""
        self.cluster.remove_node(node, allow_graceful=False)
        join(self.cluster, **NODE)


@dataclass
class Bench:
    """One study under faults: its folder, the nodes it runs on, what was started and how it ended."""

    folder: Path
    text: str
    grid: Grid | None
    rng: random.Random
    options: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    tracking: str = ""
    most: int = 25
    """Trials, at most, that a run records before its fault."""

    def __post_init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.storage, self.temporary, self.cache = (self.folder / n for n in ("storage", "tmp", "cache"))
        for folder in (self.storage, self.temporary, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "faults.yaml").write_text(self.text)
        self.tracking = self.tracking or f"sqlite:///{self.storage}/mlflow.db"

    @property
    def ledger(self) -> Ledger:
        return Ledger(str(self.storage), "faults")

    def start(self, *more: str, program: tuple[str, ...] = ("-m", "evenkeel")) -> subprocess.Popen[str]:
        """The command, in a session of its own."""
        address = ["--address", self.grid.cluster.address] if self.grid else []
        command = [sys.executable, *program, "run", str(self.folder / "faults.yaml"), "--storage", str(self.storage)]
        marked = {MARK: self.mark, "TMPDIR": str(self.temporary), "EVENKEEL_CACHE": str(self.cache)}
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen([*command, *address, *self.options, *more], env=os.environ | marked, stderr=log,
                                    stdout=log, text=True, start_new_session=True)  # fmt: skip

    def num_recorded(self) -> int:
        return len(list(self.storage.glob("trials/*.json")))

    def begun(self, **more: Any) -> subprocess.Popen[str]:
        """A run in its middle: some more trials are recorded, not all."""
        before, num_more = self.num_recorded(), self.rng.randint(3, self.most)
        process = self.start(**more)
        wait_for(lambda: self.num_recorded() >= before + num_more or process.poll() is not None, LIMIT_S)
        assert process.poll() is None, f"the run ended before its fault:\n{self.log()}"
        return process

    def ended(self, process: subprocess.Popen[str], *codes: int) -> None:
        """Wait for a run; it must end with one of these codes."""
        self.codes.append(process.wait(LIMIT_S))
        assert not codes or self.codes[-1] in codes, f"exit code {self.codes[-1]}, expected {codes}:\n{self.log()}"

    def finish(self) -> None:
        """The same command until it ends well; a run that a fault has met already may take another turn."""
        for _ in range(MOST_RUNS):
            self.ended(self.start(), EXIT_OK, EXIT_CLUSTER)
            if self.codes[-1] == EXIT_OK:
                return
        raise AssertionError(f"{MOST_RUNS} runs did not finish the study:\n{self.log()}")

    def stopped(self) -> None:
        """A run that was asked to stop in its middle: some trials are recorded, nothing runs."""
        process = self.begun()
        process.send_signal(signal.SIGTERM)
        self.ended(process, EXIT_INTERRUPTED)

    def records(self, num: int = 3) -> list[Path]:
        """Some files of records."""
        return self.rng.sample(sorted(self.storage.glob("trials/*.json")), num)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-4000:]

    def check(self, expected: pd.DataFrame) -> None:
        """Every planned trial once, everywhere; the numbers of an undisturbed run; nothing left behind."""
        assert "Traceback" not in self.log(), self.log()
        table = table_from_ledger(self.ledger)
        assert Counter(table.trial_id) == Counter(expected.trial_id)
        pd.testing.assert_frame_equal(numbers(table), numbers(expected), rtol=1e-9, atol=1e-9)
        pd.testing.assert_frame_equal(table_from_mlflow(self.tracking, "faults"), table)
        runs = self.runs()
        assert Counter(trial for trial, _ in runs) == Counter(expected.trial_id), (
            "MLflow has a trial twice or not at all"
        )
        assert {status for _, status in runs} == {"FINISHED"}, Counter(status for _, status in runs)
        wait_for(lambda: not self.orphans(), SETTLE_S, lambda: f"left behind: {self.orphans()}")
        assert not self.leftovers(), f"left behind: {self.leftovers()}"

    def runs(self) -> list[tuple[str, str]]:
        """Trial id and status of MLflow's runs, straight from its database; of parents, they must be closed."""
        query = (
            "select t.value, r.status from runs r join tags t on t.run_uuid = r.run_uuid "
            "where r.lifecycle_stage = 'active' and t.key = 'evenkeel.trial_id'"
        )
        with sqlite3.connect(self.tracking.removeprefix("sqlite:///")) as database:
            assert not database.execute("select 1 from runs where status in ('RUNNING', 'SCHEDULED')").fetchall()
            return database.execute(query).fetchall()

    def workers(self) -> list[psutil.Process]:
        """Processes that train, by the name that Tune gives them."""
        return [p for p in psutil.Process().children(recursive=True) if "ray::ResourceTrainable" in command_of(p)]

    def orphans(self) -> list[str]:
        """What still runs of the driver and of its workers, though no run goes on."""
        marked = [p for p in psutil.process_iter() if mark_of(p) == self.mark]
        return [f"{p.pid} {command_of(p)}" for p in [*marked, *self.workers()]]

    def leftovers(self) -> list[str]:
        """Temporary files: of the driver, of writers in the study's folder and in the cache."""
        hidden = [p for folder in (self.storage, self.cache) for p in folder.rglob("*") if p.name.startswith(".")]
        working = list(self.storage.glob("working/*"))
        return [str(p.relative_to(self.folder)) for p in [*hidden, *working, *self.temporary.iterdir()]]


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["wall_s", "host", "versions", "machine"])


def command_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def mark_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.environ().get(MARK, "") if process.status() != psutil.STATUS_ZOMBIE else ""
    return ""


def signalled(number: int, times: int = 1) -> Callable[[Bench], None]:
    """A signal to the command, once or twice."""

    def fault(bench: Bench) -> None:
        process = bench.begun()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.6)
        bench.ended(process, EXIT_INTERRUPTED)

    return fault


def signalled_at_start(bench: Bench) -> None:
    process = bench.start()
    time.sleep(bench.rng.uniform(0.5, 4))
    process.send_signal(signal.SIGINT)
    bench.ended(process, EXIT_INTERRUPTED, -signal.SIGINT)


def killed(bench: Bench) -> None:
    process = bench.begun()
    process.kill()
    bench.ended(process, -signal.SIGKILL)


def killed_at_start(bench: Bench) -> None:
    process = bench.start()
    time.sleep(bench.rng.uniform(0.5, 6))
    process.kill()
    bench.ended(process, -signal.SIGKILL)


def inner_killed(bench: Bench) -> None:
    """The process that works, inside the one that was started: that one has the last word."""
    process = bench.begun()
    min(psutil.Process(process.pid).children(), key=lambda p: p.create_time()).kill()
    bench.ended(process, EXIT_CLUSTER)


def worker_killed(bench: Bench) -> None:
    process = bench.begun()
    bench.rng.choice(bench.workers()).kill()
    bench.ended(process, EXIT_OK)


def worker_stopped(bench: Bench) -> None:
    process = bench.begun()
    worker = bench.rng.choice(bench.workers())
    worker.suspend()
    time.sleep(4)
    worker.resume()
    bench.ended(process, EXIT_OK)


def raylet_killed(bench: Bench) -> None:
    process = bench.begun()
    bench.grid.replace(bench.grid.any_node(bench.rng))
    bench.ended(process, EXIT_OK)


def raylet_stopped(bench: Bench) -> None:
    """A node that hangs until it is taken for dead."""
    process = bench.begun()
    node = bench.grid.any_node(bench.rng)
    psutil.Process(node.all_processes["raylet"][0].process.pid).suspend()
    bench.ended(process, EXIT_OK)
    bench.grid.replace(node)


def head_killed(bench: Bench) -> None:
    process = bench.begun()
    kill_head(bench.grid.cluster)
    bench.ended(process, EXIT_CLUSTER)
    bench.grid.close()
    bench.grid.start()


def two_drivers(bench: Bench) -> None:
    process = bench.begun()
    bench.ended(bench.start(), EXIT_BAD_INPUT)
    bench.ended(process, EXIT_OK)


def clock_jumps(bench: Bench) -> None:
    """The clock of a driver and of its rival jumps by a day, forth and back, in mid-run."""
    process = bench.begun(program=("-c", JUMPING))
    for jump in (JUMP_S, -JUMP_S):
        bench.ended(bench.start(program=("-c", JUMPING.replace("86400.0", str(jump)))), EXIT_BAD_INPUT)
    bench.ended(process, EXIT_OK)


JUMPING = """
import sys, time, psutil
DAY = 86400.0
began, clock, boot = time.monotonic(), time.time, psutil.boot_time
jumped = lambda: DAY if time.monotonic() - began > 2 else 0.0
time.time = lambda: clock() + jumped()
born = psutil.Process.create_time
psutil.Process.create_time = lambda process: born(process) + DAY
sys.path.insert(0, "")
from evenkeel.study.cli import entry
entry()
"""


def silent_lease(bench: Bench) -> None:
    """A run of another machine that fell silent: half a minute, then this one takes over."""
    bench.ledger.create()
    bench.ledger.folder.create("lease")
    bench.ledger.folder.write_new(_path(WHOLE_STUDY, 1), _content(Holder("r", "elsewhere", 1, 0.0, "other")))


@contextmanager
def served(bench: Bench) -> Iterator[MlflowServer]:
    """MLflow as a server of the bench."""
    bench.tracking = f"sqlite:///{bench.folder}/server.db"
    with MlflowServer(bench.tracking, bench.folder) as server:
        bench.options += ["--tracking-uri", server.uri]
        yield server


def server_killed(bench: Bench) -> None:
    with served(bench) as server:
        process = bench.begun()
        server.send(signal.SIGKILL)
        time.sleep(bench.rng.uniform(1, 4))
        server.start()
        bench.ended(process, EXIT_OK)
        bench.finish()


def server_stopped(bench: Bench) -> None:
    with served(bench) as server:
        process = bench.begun()
        server.send(signal.SIGSTOP)
        time.sleep(6)
        server.send(signal.SIGCONT)
        bench.ended(process, EXIT_OK)
        bench.finish()


def may_mount(folder: Path) -> bool:
    """Whether this user may mount a disk below `folder`: root may, but in some containers."""
    (place := folder / "may-mount").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "evenkeel-faults", str(place)]
    if mounted := not subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        subprocess.run(["umount", "-l", str(place)], check=True)
    place.rmdir()
    return mounted


@contextmanager
def own_disk(bench: Bench) -> Iterator[None]:
    """The study's folder on a file system of its own, which can be filled and made read-only."""
    size = ["-o", "size=64m"]
    subprocess.run(["mount", "-t", "tmpfs", *size, "evenkeel-faults", str(bench.storage)], check=True)
    try:
        yield
    finally:
        kept = bench.folder / "kept"
        subprocess.run(["cp", "-a", str(bench.storage), str(kept)], check=True)
        subprocess.run(["umount", "-l", str(bench.storage)], check=True)
        subprocess.run(["cp", "-a", f"{kept}/.", str(bench.storage)], check=True)


def disk_full(bench: Bench) -> None:
    with own_disk(bench):
        process, ballast = bench.begun(), bench.storage / "ballast"
        with suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        bench.ended(process, EXIT_STORAGE)
        ballast.unlink()
        bench.finish()


def disk_read_only(bench: Bench) -> None:
    with own_disk(bench):
        process = bench.begun()
        remount = ["mount", "-o", "remount,{}", "evenkeel-faults", str(bench.storage)]
        wait_for(
            lambda: not subprocess.run([w.format("ro") for w in remount], stderr=subprocess.DEVNULL).returncode, 30
        )
        bench.ended(process, EXIT_STORAGE)
        subprocess.run([word.format("rw") for word in remount], check=True)
        bench.finish()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "flipped": lambda content: content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1])
    + content[len(content) // 2 + 1 :],
}  # fmt: skip


def damaged(paths: Callable[[Bench], list[Path]], how: str) -> Callable[[Bench], None]:
    """Files are damaged while no run goes on."""

    def fault(bench: Bench) -> None:
        bench.stopped()
        for path in paths(bench):
            path.write_bytes(DAMAGES[how](path.read_bytes()))

    return fault


def packed(bench: Bench) -> list[Path]:
    bench.ledger.pack()
    return list(bench.storage.glob("packed/*.parquet"))


def database_gone(bench: Bench) -> None:
    bench.stopped()
    (bench.storage / "mlflow.db").unlink()


FAULTS: dict[str, Callable[[Bench], None]] = {
    "SIGHUP": signalled(signal.SIGHUP),
    "Ctrl-C once": signalled(signal.SIGINT),
    "Ctrl-C twice": signalled(signal.SIGINT, 2),
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGTERM twice": signalled(signal.SIGTERM, 2),
    "Ctrl-C while it starts": signalled_at_start,
    "SIGKILL of the driver": killed,
    "SIGKILL while it starts": killed_at_start,
    "SIGKILL of the driver's inner process": inner_killed,
    "SIGKILL of a worker": worker_killed,
    "SIGSTOP of a worker": worker_stopped,
    "SIGKILL of a raylet": raylet_killed,
    "SIGSTOP of a raylet": raylet_stopped,
    "SIGKILL of the head": head_killed,
    "two drivers": two_drivers,
    "clock jumps": clock_jumps,
    "a silent lease of another machine": silent_lease,
    "MLflow server killed and restarted": server_killed,
    "MLflow server stopped for a while": server_stopped,
    "MLflow database gone": database_gone,
    "disk full": disk_full,
    "disk read-only": disk_read_only,
    **{f"records {how}": damaged(Bench.records, how) for how in DAMAGES},
    **{f"packed records {how}": damaged(packed, how) for how in DAMAGES},
    **{f"cache {how}": damaged(lambda bench: [bench.cache / "instant.json"], how) for how in DAMAGES},
    "study.json cut off": damaged(lambda bench: [bench.storage / "study.json"], "cut off"),
}
"""Fault by name."""


def undisturbed(folder: Path, text: str) -> pd.DataFrame:
    """The table of the study, run in one process, without Ray."""
    bench = Bench(folder, text, None, random.Random(0), ["--serial"])
    bench.finish()
    return table_from_ledger(bench.ledger)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(FAULTS), choices=list(FAULTS))
    options = parser.parse_args()
    text = STUDY.format(seeds=max(1, round(options.trials / TRIALS_A_SEED)), trial_s=0.05, pack_size=6)
    with tempfile.TemporaryDirectory(prefix="ek") as name:
        folder = Path(name)
        expected = undisturbed(folder / "undisturbed", text)
        print(f"{len(expected)} trials, 3 nodes of one worker, seed {options.seed}")
        grid = Grid()
        try:
            failed = run(options.only, options.seed, folder, text, expected, grid)
        finally:
            grid.close()
    print(f"{len(options.only) - len(failed)} of {len(options.only)} faults left the table as it would have been")
    sys.exit(bool(failed))


def run(names: list[str], seed: int, folder: Path, text: str, expected: pd.DataFrame, grid: Grid) -> list[str]:
    """Every fault on a study of its own; the names of those that left anything wrong."""
    normal, failed = 0.0, []
    for number, (name, fault) in enumerate({"none": lambda bench: None, **{n: FAULTS[n] for n in names}}.items()):
        bench = Bench(folder / str(number), text, grid, random.Random(f"{seed} {name}"))
        started, wrong = time.monotonic(), ""
        try:
            fault(bench)
            bench.finish()
            bench.check(expected)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
            failed.append(name)
        took = time.monotonic() - started
        normal = normal or took
        codes = ", ".join(map(str, bench.codes))
        print(
            f"{name:40} exit {codes:20} {took:6.1f} s, lost {max(0.0, took - normal):6.1f} s  {wrong or 'ok'}",
            flush=True,
        )
    return failed


if __name__ == "__main__":
    main()
