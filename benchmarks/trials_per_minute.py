"""How many trials a minute, and how does that compare with what a user would otherwise write?

The same 64 RAL trials on the same digits-mlt features, each as a whole command from start to exit:
(a) a Ray Tune script after Ray's documentation: function trainable, one configuration a trial, OptunaSearch,
    MLflowLoggerCallback, sqlite (benchmarks/ray_script.py);
(b) `evenkeel run`, ledger and MLflow included.
Features are computed before, for both. Run: make bench  (about five minutes on two cores)
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from study.config import load_study
from study.engine import context_of
from study.ledger import Ledger
from trainables.features import prepare

NUM_TRIALS = 64
STUDY = """
extends: demo
name: bench
losses: [{loss: ral, fixed: {focusing: full}}]
designs: {sweep: null, search: null, sobol: {m: 6}}
seeds: 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2, help="of (b); the fastest counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "bench.yaml"
        study.write_text(STUDY)
        context = context_of(load_study(str(study)), folder)
        features = prepare(context.data, context.trainable, Path(context.cache)).folder
        ours, share = min(_evenkeel(study, Path(folder) / f"run{i}") for i in range(options.repeats))
        theirs = _timed([str(Path(__file__).with_name("ray_script.py")), str(features), str(NUM_TRIALS), folder])
    print(f"{'':28}{'wall s':>9}{'trials/min':>12}")
    for name, wall in (("(a) Ray Tune script", theirs), ("(b) evenkeel run", ours)):
        print(f"{name:28}{wall:9.1f}{60 * NUM_TRIALS / wall:12.0f}")
    print(f"ratio trials-per-minute/evenkeel-vs-ray-script {theirs / ours:.1f}")
    print(f"ratio arithmetic-share-of-wall/evenkeel {share:.2f}")


def _evenkeel(study: Path, storage: Path) -> tuple[float, float]:
    """Wall time of the command, and the share of it that is training and evaluation on both workers."""
    wall = _timed(["-m", "study", "run", str(study), "--storage", str(storage)])
    records = Ledger(str(storage), "bench").read_all().values()
    assert len(records) == NUM_TRIALS and all(r["state"] == "done" for r in records)
    return wall, sum(r["wall_s"] for r in records) / (os.cpu_count() or 1) / wall


def _timed(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
