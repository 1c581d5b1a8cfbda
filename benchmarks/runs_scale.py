"""How long does `evenkeel report --runs` take for 100,000 runs of somebody else, and how much memory does it need?

A CSV of five methods and six hyperparameters, one moved at a time over nine levels, with as many seeds as give the
number that is asked for; then the same number of settings drawn at random, as a search leaves them. Each page is made
by the whole command, a process of its own: its time from start to end, its own CPU time, memory at its peak.
Run: python -m benchmarks.runs_scale
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

METHODS = ("sgd", "adam", "lion", "rmsprop", "adagrad")
LEVELS = {
    "lr": np.geomspace(1e-3, 10, 9).round(6),
    "decay": np.r_[0, np.geomspace(1e-6, 0.1, 8)],
    "momentum": np.linspace(0.1, 0.9, 9).round(2),
    "batch": 2 ** np.arange(3, 12),
    "dropout": np.linspace(0, 0.8, 9).round(2),
    "warmup": np.arange(9),
}
DEFAULT_LEVEL = 4
NOISE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    for name, frame in (("sweep", sweep(options.runs)), ("search", search(options.runs, rng))):
        measure(name, frame.assign(test_acc=0.8 + rng.normal(0, NOISE, len(frame))))


def sweep(num_runs: int) -> pd.DataFrame:
    """One hyperparameter at a time about the default, all methods and seeds."""
    default = {name: levels[DEFAULT_LEVEL] for name, levels in LEVELS.items()}
    moved = [default | {n: v} for n, levels in LEVELS.items() for v in levels if v != default[n]]
    settings = pd.DataFrame([default, *moved])
    methods = settings.merge(pd.Series(METHODS, name="optimizer"), how="cross")
    return methods.merge(pd.Series(range(num_runs // len(methods)), name="seed"), how="cross")


def search(num_runs: int, rng: np.random.Generator) -> pd.DataFrame:
    """Settings of all methods drawn at random, a seed each."""
    drawn = {name: rng.uniform(levels.min(), levels.max(), num_runs) for name, levels in LEVELS.items()}
    return pd.DataFrame(drawn | {"optimizer": rng.choice(METHODS, num_runs), "seed": np.arange(num_runs)})


def measure(name: str, frame: pd.DataFrame) -> None:
    """Makes the page of a table, and prints seconds and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder, "runs.csv"), index=False)
        words = ["report", "--runs", f"{folder}/runs.csv", "-o", f"{folder}/page.html"]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "evenkeel", *words], check=True, stdout=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{name}: {len(frame):,} runs")
    print(f"ratio runs/{name}-seconds {seconds:.1f}")
    print(f"ratio runs/{name}-cpu-seconds {after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f}")
    print(f"ratio runs/{name}-peak-gibibytes {after.ru_maxrss / 2**20:.2f}")


if __name__ == "__main__":
    main()
