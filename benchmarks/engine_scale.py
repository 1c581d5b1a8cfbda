"""What does the platform itself cost, from a hundred trials to a hundred thousand, on one node to eight?

python -m benchmarks.engine_scale [--only engine packs nodes large search] [--most 100352]        (make bench-scale)

A trial computes nothing (benchmarks/instant.py) and MLflow does not answer, so what is left is planning, packs on their
way to raylets of this machine and back, and records. `engine`: trials a second against their number, on one node.
`packs`: packs a second, when each has one trial.
`nodes`: the same 10,240 trials on 1 to 8 raylets of one worker each; they share this machine's cores, so a rate that
holds is all that can be hoped for. `large`: the commands on a finished study of the largest size. `search`: Optuna's
time for a suggestion when it was told 100 results, and 10,000.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import fmean

import psutil

from benchmarks.nodes import cluster
from evenkeel.study.file.locations import Storage, TrackingUri
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import Planner
from evenkeel.study.plan.search import LossSearch, Reply
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.tracking.receipt import TrackingReceipt

STUDY = """
name: scale
data: {name: digits-mlt}
trainable: {name: "benchmarks.instant:Instant"}
losses: [{loss: ral, fixed: {focusing: full}}]
designs: {sweep: null, search: null, sobol: {m: 10}}
seeds: 1
resources: {pack_size: 256}
"""
POINTS = 1024
SIZES = (128, POINTS, 10 * POINTS, 98 * POINTS)
NODES = (1, 2, 4, 8)
NOBODY = "http://127.0.0.1:1"
"""An MLflow server that is not there: its own speed is measured in benchmarks/tracking.py."""
TOLD, MARGIN, RUNNING = (100, 10_000), 40, 8
SAMPLE_S, MIB = 0.2, 1024**2


class Timed:
    """A command: its seconds, what it said, and the most memory of its driver and of what fills MLflow, in MiB."""

    def __init__(self, study: Path, *words: str) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen([sys.executable, "-m", "evenkeel", words[0], str(study), *words[1:]], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        self.peaks: dict[str, float] = {}
        watching = threading.Thread(target=self._watch)
        watching.start()
        self.said = self.process.communicate()[0]
        self.seconds = time.perf_counter() - started
        watching.join()
        if self.process.returncode:
            raise SystemExit(self.said)

    @property
    def driver(self) -> float:
        return self.peaks.get("driver", 0.0)

    @property
    def fillers(self) -> float:
        return self.peaks.get("fillers", 0.0)

    def _watch(self) -> None:
        while self.process.poll() is None:
            with suppress(psutil.Error):
                outer = psutil.Process(self.process.pid)
                inner = next(iter(outer.children()), outer)
                self._note("driver", [inner])
                self._note("fillers", [p for p in inner.children() if "serve" in " ".join(p.cmdline())])
            time.sleep(SAMPLE_S)

    def _note(self, name: str, processes: list[psutil.Process]) -> None:
        now = sum(process.memory_info().rss for process in processes) / MIB
        self.peaks[name] = max(self.peaks.get(name, 0.0), now)


def sized(num: int) -> list[str]:
    """The settings that make a study of so many trials."""
    points = min(num, POINTS)
    return ["--set", f"seeds={num // points}", "--set", f"designs.sobol.m={points.bit_length() - 1}"]


def run(study: Path, storage: Path, num: int, address: str, *more: str) -> Timed:
    """An `evenkeel run` on a cluster, without MLflow."""
    untracked = ["--track-later", "--tracking-uri", NOBODY]
    timed = Timed(study, "run", *sized(num), "--storage", str(storage), "--address", address, *untracked, *more)
    assert len(Ledger(str(storage), "scale").ids()) == num, timed.said
    return timed


def engine(study: Path, folder: Path, most: int) -> None:
    """Trials a second by number of trials; the largest study stays for `large`."""
    print(f"{'trials':>9}{'wall s':>9}{'trials/s':>10}{'driver MiB':>12}{'fillers MiB':>13}")
    timings: dict[int, float] = {}
    with cluster({"num_cpus": 2}) as grid:
        for num in (size for size in SIZES if size <= most):
            timed = run(study, folder / f"engine-{num}", num, grid.address)
            timings[num] = timed.seconds
            print(f"{num:9,}{timed.seconds:9.1f}{num / timed.seconds:10.0f}{timed.driver:12.0f}{timed.fillers:13.0f}",
                  flush=True)  # fmt: skip
    largest, tenth = max(timings), sorted(timings)[-2]
    print(f"ratio wall/{largest}-trials-vs-{tenth} {timings[largest] / timings[tenth]:.1f}")


def packs(study: Path, folder: Path, most: int) -> None:
    """How many packs a second a driver hands out and takes back: the same trials in packs of one and of 256."""
    with cluster({"num_cpus": 2}) as grid:
        single = run(study, folder / "packs-1", POINTS, grid.address, "--set", "resources.pack_size=1").seconds
        large = run(study, folder / "packs-256", POINTS, grid.address).seconds
    rate = POINTS / (single - large)
    print(f"{POINTS:,} trials in packs of one: {single:.1f} s, of 256: {large:.1f} s; {rate:.0f} packs/s")


def nodes(study: Path, folder: Path, most: int) -> None:
    """Trials a second by number of raylets."""
    num, timings = min(most, SIZES[2]), {}
    print(f"{'nodes':>9}{'wall s':>9}{'trials/s':>10}")
    for number in NODES:
        with cluster(*[{"num_cpus": 1}] * number) as grid:
            timings[number] = run(study, folder / f"nodes-{number}", num, grid.address).seconds
        print(f"{number:9}{timings[number]:9.1f}{num / timings[number]:10.0f}", flush=True)
    print(f"ratio wall/{NODES[-1]}-nodes-vs-1 {timings[NODES[-1]] / timings[1]:.2f}")


def large(study: Path, folder: Path, most: int) -> None:
    """The commands on a finished study: planned, counted, run again, run again for one trial."""
    num = max(size for size in SIZES if size <= most)
    storage = folder / f"engine-{num}"
    arguments = [*sized(num), "--storage", str(storage)]
    if not storage.exists():
        untracked = ["--track-later", "--tracking-uri", NOBODY]
        print(f"serial run of {num:,}: {Timed(study, 'run', *arguments, '--serial', *untracked).seconds:.1f} s")
    _show("plan", Timed(study, "plan", *arguments))
    _show("status", Timed(study, "status", *arguments))
    ledger, overrides = Ledger(str(storage), "scale"), arguments[1:4:2]
    config = load_study(str(study), overrides)
    uri = TrackingUri.resolve(config, Storage.resolve(config, str(storage)), NOBODY)
    TrackingReceipt(ledger.folder, uri).write(f"{entry.id} {entry.state}" for entry in ledger.entries().values())
    _show("run, nothing missing", Timed(study, "run", *arguments, "--tracking-uri", NOBODY))
    ledger.retire([next(iter(ledger.ids()))])
    _show(
        "run, one trial missing", Timed(study, "run", *arguments, "--serial", "--track-later", "--tracking-uri", NOBODY)
    )


def _show(title: str, timed: Timed) -> None:
    print(f"{title:24}{timed.seconds:7.1f} s{timed.driver:8.0f} MiB, fillers {timed.fillers:.0f} MiB", flush=True)


def search(study: Path, folder: Path, most: int) -> None:
    """Optuna's milliseconds for a suggestion, a tree-structured Parzen estimator while eight trials run."""
    design = f"designs.search={{trials: {TOLD[1] + 2 * MARGIN}, batch: 8, groups: 1, seeds_per_group: 1}}"
    config = load_study(str(study), [design, "designs.sobol=null"])
    searched = LossSearch(Planner(config, {}, {}), config.losses[0], 0)
    rng, spent = random.Random(0), {num_told: [] for num_told in TOLD}
    for num_told in range(TOLD[1] + MARGIN):
        started = time.perf_counter()
        searched.ask()
        each = 1000 * (time.perf_counter() - started)
        if num_told >= RUNNING:
            searched.tell(num_told - RUNNING, Reply((rng.random(),)))
        for number in TOLD:
            if number <= num_told < number + MARGIN:
                spent[number].append(each)
    few, many = (fmean(spent[num_told]) for num_told in TOLD)
    print(f"a suggestion: {few:.1f} ms with {TOLD[0]} results told, {many:.1f} ms with {TOLD[1]:,}")
    print(f"ratio suggestion/{TOLD[1]}-told-vs-{TOLD[0]} {many / few:.1f}")


PARTS = {"engine": engine, "packs": packs, "nodes": nodes, "large": large, "search": search}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--most", type=int, default=SIZES[-1], help="trials of the largest study")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ek") as name:
        study = Path(name) / "scale.yaml"
        study.write_text(STUDY)
        for part in options.only:
            PARTS[part](study, Path(name), options.most)


if __name__ == "__main__":
    main()
