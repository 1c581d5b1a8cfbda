"""How long does a report of many trials take, how large is the page, how much memory does it need?

A synthetic table: the plan of the demo with as many Sobol points and seeds as give the number of trials that is asked
for, with scores that hang smoothly on the hyperparameters, plus noise. The table is made before the clock starts; the
memory is the peak of this process. Run: python -m benchmarks.report_scale  (about a minute)
"""

import argparse
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from reports.facts import StudyFacts
from reports.page import write_report
from reports.table import DESIGNS, TrialRow, metric_columns, trial_table
from study.file.read import load_study
from study.plan.planner import Planner
from study.records.facts import facts_of_study
from trainables import Trial

NUM_SEEDS = 24
DATA = {"name": "synthetic", "classes": [str(i) for i in range(20)], "rows": {"train": 900, "val": 300, "test": 300}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m", type=int, default=10, help="2^m Sobol points a loss and seed; 10 is 1e5 trials")
    options = parser.parse_args()
    table = synthetic(options.m)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        write_report(table, page)
        size = page.stat().st_size
    print(f"{len(table)} trials, {table.shape[1]} columns")
    print(f"ratio report/seconds-per-1e5-trials {(time.perf_counter() - start) * 1e5 / len(table):.1f}")
    print(f"ratio report/megabytes {size / 1e6:.1f}")
    print(f"ratio report/peak-gibibytes {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}")


def synthetic(m: int) -> pd.DataFrame:
    """The demo's sweep and Sobol points, with scores of a known landscape."""
    changes = [f"designs.sobol.m={m}", f"seeds={NUM_SEEDS}", "designs.search=null"]
    config = load_study("demo", changes)
    trials = Planner(config, {}, {}).planned()
    counts = Counter((trial.label, trial.design) for trial in trials)
    planned = {loss.label: {design: counts[loss.label, design] for design in DESIGNS} for loss in config.losses}
    facts = facts_of_study(config, DATA, planned)
    rng = np.random.default_rng(0)
    return trial_table([_row(trial, facts, rng) for trial in trials], facts)


def _row(trial: Trial, facts: StudyFacts, rng: np.random.Generator) -> TrialRow:
    space = facts.losses[trial.label].space
    moves = [
        (trial.setting[name] - facts.losses[trial.label].defaults[name]) / (parameter.high - parameter.low)
        for name, parameter in space.items()
        if parameter.high is not None
    ]
    names = metric_columns(facts)
    scores = 0.6 - 0.1 * float(np.sum(np.square(moves))) + rng.normal(0, 0.005, len(names))
    return TrialRow(
        trial_id=trial.id, loss=trial.label, loss_name=trial.loss, design=trial.design, seed=trial.seed,
        moved=trial.moved, state="done", wall_s=float(rng.gamma(2, 0.1)), epochs_done=20, host="node-1",
        versions="evenkeel 0", hyperparameters=trial.setting, metrics=dict(zip(names, scores.tolist(), strict=True)),
    )  # fmt: skip


if __name__ == "__main__":
    main()
