"""How many trials a minute, and how does that compare with what a user would otherwise write?

The same 64 RAL trials on the same digits-mlt features, on the same Ray cluster of one node that is up before and
serves both, each timed as a whole command from start to exit:
(a) a Ray Tune script after Ray's documentation: function trainable, one configuration a trial, OptunaSearch,
    MLflowLoggerCallback, sqlite (benchmarks/ray_script.py);
(b) `evenkeel run`, ledger and MLflow included: 64 trials with one worker of all cores (they are one pack, and a second
    worker costs more to start than it brings), and 1,024 with one worker a core, where starting up no longer dominates
    (a script pays the same for every trial, so its 64 stand for any number).
Features are computed before, for both. Run: make bench  (about nine minutes on two cores)

`--image-groups` measures instead what it costs to record each metric without each group of test images: CPU time of the
64 trials in one process and thread with it, in that without it, in turn (a minute).
`--against COMMIT` measures instead what the platform has come to cost: CPU time of `evenkeel run --serial` with 256
trials, MLflow included, by this code and by that of a commit, in turn (some minutes).
"""

import argparse
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.former_code import tree_of
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.worker import prepare_worker
from evenkeel.study.run.worker_context import make_context
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.probe.features import standardised

NUM_TRIALS = 64
START_S = 15
STUDY = """
extends: demo
name: bench
losses: [{loss: ral, fixed: {focusing: full}}]
designs: {sweep: null, search: null, sobol: {m: 6}}
seeds: 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of (b) with 64 trials; the fastest counts")
    parser.add_argument("--image-groups", action="store_true", help="only what groups of test images cost a trial")
    parser.add_argument("--against", metavar="COMMIT", help="only the CPU time of a run, against the code of a commit")
    options = parser.parse_args()
    if options.against:
        print(f"ratio run/cpu-vs-{options.against} {_against(options.against, options.repeats):.3f}")
        return
    if options.image_groups:
        print(f"ratio image-groups/time-of-a-probe-trial {_image_groups(options.repeats):.2f}")
        return
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "bench.yaml"
        study.write_text(STUDY)
        features = _features(study, Path(folder))
        script = str(Path(__file__).with_name("ray_script.py"))
        with _cluster() as address:
            runs = [_evenkeel(study, Path(folder) / f"run{i}", address, 6, workers=1) for i in range(options.repeats)]
            ours, share = min(runs)
            many, many_share = _evenkeel(study, Path(folder) / "many", address, 10, workers=os.cpu_count() or 1)
            theirs = _timed([script, str(features), str(NUM_TRIALS), folder, address])
    print(f"{'':28}{'wall s':>9}{'trials/min':>12}")
    rows = (
        ("(a) Ray Tune script, 64", theirs, 64),
        ("(b) evenkeel run, 64", ours, 64),
        ("(b) evenkeel run, 1024", many, 1024),
    )
    for name, wall, num in rows:
        print(f"{name:28}{wall:9.1f}{60 * num / wall:12.0f}")
    print(f"ratio trials-per-minute-of-64/evenkeel-vs-ray-script {theirs / ours:.1f}")
    print(f"ratio trials-per-minute-of-1024/evenkeel-vs-ray-script {theirs / 64 / (many / 1024):.1f}")
    print(f"ratio arithmetic-share-of-64/evenkeel {share:.2f}")
    print(f"ratio arithmetic-share-of-1024/evenkeel {many_share:.2f}")


def _image_groups(repeats: int) -> float:
    """The fastest of each counts."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "bench.yaml")
        study.write_text(STUDY)
        config = load_study(str(study))
        worker, trials = config.trainable.worker(config.all_measures), Planner(config, {}, {}).planned()
        prepared = worker.prepare(config.data, Path(folder), "cpu")

        def seconds() -> float:
            started = time.process_time()
            assert len(list(worker.run(trials, prepared, Path(folder)))) == NUM_TRIALS
            return time.process_time() - started

        seconds()  # the first compiles
        tuned, plain = [], []
        for _ in range(repeats):
            tuned.append(seconds())
            with patch.object(DataSplits, "image_groups", return_value=None):
                plain.append(seconds())
        return min(tuned) / min(plain)


def _against(commit: str, repeats: int) -> float:
    """The fastest of each counts; the first of each makes the features and compiles."""
    current, former = [], []
    with tree_of(commit) as (tree, environment), tempfile.TemporaryDirectory() as name:
        own = os.environ | {"PYTHONPATH": str(Path.cwd())}
        for number in range(repeats + 1):
            former.append(_cpu_of_run(Path(name, f"former{number}"), tree, environment))
            current.append(_cpu_of_run(Path(name, f"current{number}"), Path.cwd(), own))
    return min(current[1:]) / min(former[1:])


def _cpu_of_run(storage: Path, tree: Path, environment: dict[str, str]) -> float:
    """Seconds of user and system of one run and its processes, the cache beside those of its like."""
    study = storage.parent / "bench.yaml"
    study.write_text(STUDY)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    package = "evenkeel.study" if (tree / "evenkeel").exists() else "study"  # its name up to 0.2.0
    command = [sys.executable, "-c", f"from {package}.cli import main; raise SystemExit(main())", "run", str(study)]
    command += ["--serial", "--storage", str(storage), "--set", "designs.sobol.m=8"]
    environment = environment | {"EVENKEEL_CACHE": str(storage.with_name(f"cache-{storage.name[:-1]}"))}
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _features(study: Path, folder: Path) -> Path:
    """The features of seed 0, made for both: where evenkeel finds them, and as arrays in a folder for the script."""
    config = load_study(str(study))
    _, store = prepare_worker(make_context(config, str(folder)))
    features = store.of_seed(0)
    rows = store.splits(features).rows(0)
    values = standardised(features.features, rows)
    parts, feature_folder = ("train", "val", "test"), folder / "features"
    feature_folder.mkdir()
    np.save(feature_folder / "features.npy", np.concatenate([values[part] for part in parts]))
    np.save(feature_folder / "targets.npy", np.concatenate([features.targets[rows[part]] for part in parts]))
    np.save(feature_folder / "split.npy", np.repeat(range(3), [len(rows[part]) for part in parts]))
    return feature_folder


@contextmanager
def _cluster() -> Iterator[str]:
    """A Ray head node with all cores, stopped with its whole process group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = str(Path(sys.executable).with_name("ray"))
    options = ["--head", "--block", f"--port={port}", "--include-dashboard=false", "--disable-usage-stats"]
    head = subprocess.Popen(
        [ray, "start", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        time.sleep(START_S)
        yield "auto"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        head.wait(timeout=60)


def _evenkeel(study: Path, storage: Path, address: str, m: int, *, workers: int) -> tuple[float, float]:
    """Wall time of the command, and the share of it in which its workers train and evaluate."""
    cores = os.cpu_count() or 1
    options = ["--storage", str(storage), "--address", address, "--workers", str(workers)]
    settings = ["--set", f"designs.sobol.m={m}", "--set", f"resources.cpus={cores // workers}"]
    wall = _timed(["-m", "evenkeel", "run", str(study), *options, *settings])
    records = Ledger(str(storage), "bench").read_all().values()
    assert len(records) == 2**m and all(r.state == "done" for r in records)
    return wall, sum(r.wall_s for r in records) / workers / wall


def _timed(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
