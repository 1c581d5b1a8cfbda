"""How long does `evenkeel report` take for many trials, how large is the page, how much memory does it need?

The plan of the demo, with as many Sobol points and seeds as give the number of trials that is asked for. Each trial is
recorded as a worker would, with scores that hang smoothly on the hyperparameters, plus noise, and with those that are
left without each of 50 groups of test images. Then the whole command runs as a process of its own: time from start to
end, memory at its peak. Run: python -m benchmarks.report_scale  (some minutes, most of them for recording)
With --against COMMIT the same is done in turn with the code of that commit, in a work tree of its own and this
environment, and the ratio of both times is printed: absolute times differ by three between machines.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.former_code import tree_of
from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.trial_table import DESIGNS, metric_columns
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.facts import make_study_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.parquet import RECORDS_A_FILE
from evenkeel.study.records.record import StudyRecord, TrialRecord
from evenkeel.trainables import Trial
from evenkeel.trainables.data.split_facts import SplitFacts

NUM_SEEDS, NUM_GROUPS = 24, 50
CLASSES = tuple(str(number) for number in range(20))
DATA = SplitFacts(name="synthetic", classes=CLASSES, rows={"train": 900, "val": 300, "test": 300})


SECONDS = "ratio report/seconds-per-1e5-trials"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m", type=int, default=10, help="2^m Sobol points a loss and seed; 10 is 1e5 trials")
    parser.add_argument("--against", metavar="COMMIT", help="also the code of this commit, in turn, and the ratio")
    options = parser.parse_args()
    seconds = measure(options.m)
    if options.against:
        print(f"ratio report/time-vs-{options.against} {seconds / measure_commit(options.against, options.m):.2f}")


def measure(m: int) -> float:
    """Records a study and reports it; prints and returns the seconds per 1e5 trials."""
    changes = [f"designs.sobol.m={m}", f"seeds={NUM_SEEDS}", "designs.search=null"]
    with tempfile.TemporaryDirectory() as folder:
        num = record(folder, changes)
        start = time.perf_counter()
        overrides = [word for change in changes for word in ("--set", change)]
        subprocess.run(
            [sys.executable, "-m", "evenkeel", "report", "demo", "--storage", folder, *overrides], check=True
        )
        seconds, size = time.perf_counter() - start, Path(folder, "report.html").stat().st_size
    print(f"{num} trials")
    print(f"{SECONDS} {seconds * 1e5 / num:.1f}")
    print(f"ratio report/megabytes {size / 1e6:.1f}")
    print(f"ratio report/peak-gibibytes {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20:.2f}")
    return seconds * 1e5 / num


def measure_commit(commit: str, m: int) -> float:
    """Seconds per 1e5 trials by this benchmark as it stands at a commit."""
    with tree_of(commit) as (tree, environment):
        command = [sys.executable, "-m", "benchmarks.report_scale", "--m", str(m)]
        ended = subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return next(float(line.split()[-1]) for line in ended.stdout.splitlines() if line.startswith(SECONDS))


def record(folder: str, changes: list[str]) -> int:
    """Records the study as finished; the number of trials."""
    config = load_study("demo", changes)
    trials = Planner(config, {}, {}).planned()
    counts = Counter((trial.label, trial.design) for trial in trials)
    planned = {loss.label: {design: counts[loss.label, design] for design in DESIGNS} for loss in config.losses}
    facts = make_study_facts(config, DATA, planned)
    ledger = Ledger(folder, config.name)
    ledger.create()
    ledger.write_study(StudyRecord(config.model_dump(mode="json"), facts.to_json()))
    for start in range(0, len(trials), RECORDS_A_FILE):
        for record in _records(trials[start : start + RECORDS_A_FILE], facts, np.random.default_rng(start)):
            ledger.write(record)
        ledger.pack()
    return len(trials)


def _records(trials: list[Trial], facts: StudyFacts, rng: np.random.Generator) -> Iterator[TrialRecord]:
    names = metric_columns(facts)
    headlines = [f"test_{name}" for name in facts.headlines]
    for trial in trials:
        scores = dict(zip(names, (_height(trial, facts) + rng.normal(0, 0.005, len(names))).tolist(), strict=True))
        yield TrialRecord(
            state="done", study=facts.name, trial=trial, metrics=scores, started=0.0, ended=1.0, epochs_done=20,
            wall_s=float(rng.gamma(2, 0.1)), host="node-1", versions={"evenkeel": "0"},
            images={name: (scores[name] + rng.normal(0, 0.001, NUM_GROUPS)).tolist() for name in headlines},
        )  # fmt: skip


def _height(trial: Trial, facts: StudyFacts) -> float:
    loss = facts.losses[trial.label]
    moves = [
        (trial.setting[name] - loss.defaults[name]) / (parameter.high - parameter.low)
        for name, parameter in loss.space.items()
        if parameter.high is not None and parameter.low is not None
    ]
    return 0.6 - 0.1 * float(np.sum(np.square(moves)))


if __name__ == "__main__":
    main()
