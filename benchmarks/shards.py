"""Shards of a study, one process each over one folder, against `evenkeel run` with as many Ray workers.

python -m benchmarks.shards [--trials 2000] [--long 160] [--shards 8] [--kills 4]

Trials compute nothing: first they take no time at all, then they sleep for a second each. Trials a second count from
the first command to the end of the last, MLflow included. Then once more with shards that are killed at moments drawn
by a seed and started again. Every table must hold every trial of the plan once.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.ledger import Ledger

STUDY = """
name: shards
data: {{name: digits-mlt}}
trainable: {{name: "benchmarks.instant:Instant", trial_s: {trial_s}}}
losses: [{{loss: ral, fixed: {{focusing: full}}}}]
designs: {{sobol: {{m: {m}}}}}
seeds: {seeds}
resources: {{pack_size: {pack_size}, workers: {workers}}}
"""
RATIO = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="of no length")
    parser.add_argument("--long", type=int, default=160, help="trials of one second")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--kills", type=int, default=4)
    options = parser.parse_args()
    for trial_s, num_trials, pack_size in ((0, options.trials, 16), (1, options.long, 4)):
        text = _study(trial_s, num_trials, pack_size, options.shards)
        ray = _measure("run", text, lambda study: _run(study, ["--workers", str(options.shards)]))
        shards = _measure("shards", text, lambda study: _run_shards(study, options.shards, kills=0))
        _measure("killed shards", text, lambda study: _run_shards(study, options.shards, kills=options.kills))
        verdict = "holds" if shards >= RATIO * ray else "FALLS SHORT"
        print(f"trials of {trial_s} s: {shards / ray:.2f} of run's trials a second; at least {RATIO} {verdict}")


def _study(trial_s: float, num_trials: int, pack_size: int, workers: int) -> str:
    m = 3
    seeds = -(-num_trials // 2**m)
    return STUDY.format(trial_s=trial_s, m=m, seeds=seeds, pack_size=pack_size, workers=workers)


def _measure(name: str, text: str, work) -> float:
    """Trials a second. Raises AssertionError where one is missing."""
    with tempfile.TemporaryDirectory(prefix="ek-") as folder:
        study = Path(folder) / "shards.yaml"
        study.write_text(text)
        planned = {trial.id for trial in make_planner(load_study(str(study))).planned()}
        began = time.monotonic()
        kills = work(study)
        took_s = time.monotonic() - began
        records = Ledger(str(study.parent / "records"), "shards").read_all()
        assert set(records) == planned, f"{name}: {len(records)} of {len(planned)} trials are recorded"
        assert (study.parent / "records" / "tracked.json").exists(), f"{name}: MLflow is not filled"
        killed = f", {kills} kills" if kills else ""
        print(
            f"{name}: {len(planned)} trials in {took_s:.1f} s, {len(planned) / took_s:.1f} a second{killed}", flush=True
        )
        return len(planned) / took_s


def _start(study: Path, options: list[str]) -> subprocess.Popen[bytes]:
    words = ["run", str(study), "--storage", str(study.parent / "records"), *options]
    environment = os.environ | {"EVENKEEL_CACHE": str(study.parent / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "evenkeel", *words], env=environment, **quiet)


def _run(study: Path, options: list[str]) -> int:
    assert _start(study, options).wait() == 0
    return 0


def _run_shards(study: Path, num_shards: int, *, kills: int) -> int:
    """All shards side by side, some of them killed with all that they started; returns how many were."""
    drawn = random.Random(0)
    running = {k: _start(study, ["--shard", f"{k}/{num_shards}"]) for k in range(1, num_shards + 1)}
    num_killed = 0
    while any(process.poll() is None for process in running.values()):
        time.sleep(drawn.uniform(0.2, 2) if kills else 0.05)
        alive = [k for k, process in running.items() if process.poll() is None]
        if num_killed < kills and alive and any((study.parent / "records" / "trials").glob("*.json")):
            victim = drawn.choice(alive)
            running[victim].kill()
            running[victim].wait()
            running[victim] = _start(study, ["--shard", f"{victim}/{num_shards}"])
            num_killed += 1
    assert {process.returncode for process in running.values()} == {0}
    return num_killed


if __name__ == "__main__":
    main()
