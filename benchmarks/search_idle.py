"""Does a search leave workers idle, and what does it cost it to know less?

python -m benchmarks.search_idle [--trials 88] [--searches 40]        (make bench-search)

`busy`: real Ray, 8 workers, trials that sleep between three and thirty seconds; the share of the workers' time that is
spent in trials, from when all of them have begun until the last proposal is made. Beside it what workers do that wait
for the slowest of each batch of eight, with the same trials in the same order (a simulation, in which nothing is lost
between two trials). `trials-to-same-best`: how many trials until a search is as good as a search in batches is in the
middle of its cases at the end, by the same sampler on the same functions; trials end in an order drawn from the same
lengths.
"""

import argparse
import heapq
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median

import optuna

from evenkeel.search_spaces import Float, Space
from evenkeel.search_spaces.optuna_search import NUM_RANDOM, Proposals, Setting, distributions
from evenkeel.study.records.ledger import Ledger

WORKERS, SHORTEST_S, SPREAD, PROPOSALS = 8, 3.0, 10.0, 48
STUDY = f"""
name: idle
data: {{name: digits-mlt}}
trainable: {{name: "benchmarks.instant:Instant", trial_s: {SHORTEST_S}, spread: {SPREAD}}}
losses: [{{loss: ral, fixed: {{focusing: full}}}}]
designs: {{search: {{trials: TRIALS, batch: {WORKERS}, fresh_seeds: 1}}}}
seeds: 1
resources: {{workers: {WORKERS}, pack_size: 1}}
"""
AXIS = {"low": 0, "high": 1, "default": 0.1, "symbol": "x", "source": ""}
SPACE = Space({f"x{i}": Float(**AXIS) for i in range(4)})
FUNCTIONS: dict[str, Callable[[list[float]], float]] = {
    "bowl": lambda x: -sum((v - 0.37) ** 2 for v in x),
    "ridge": lambda x: -abs(x[0] - 0.7) - 4 * (x[1] - x[0] / 2) ** 2 - 0.3 * sum((v - 0.2) ** 2 for v in x[2:]),
    "waves": lambda x: sum(0.1 * math.cos(12 * (v - 0.6)) - (v - 0.6) ** 2 for v in x),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=88)
    parser.add_argument("--searches", type=int, default=40, help="searches of each function")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    busy(options.trials)
    same_best(options.searches)


def busy(num_trials: int) -> None:
    """Run a search on real Ray and print how busy its workers were."""
    with tempfile.TemporaryDirectory(prefix="ek-") as folder:
        study = Path(folder) / "idle.yaml"
        study.write_text(STUDY.replace("TRIALS", str(num_trials)))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "EVENKEEL_CACHE": f"{folder}/cache"}
        words = ["run", str(study), "--storage", f"{folder}/records", "--track-later"]
        subprocess.run([sys.executable, "-m", "evenkeel", *words], check=True, env=environment, capture_output=True)
        records = [r for r in Ledger(f"{folder}/records", "idle").records() if r.trial.design == "search"]
    records.sort(key=lambda record: record.trial.proposal)
    begin, end = max(r.started for r in records[:WORKERS]), max(r.started for r in records)
    spent = sum(max(0.0, min(r.ended, end) - max(r.started, begin)) for r in records) / (WORKERS * (end - begin))
    lengths = [record.ended - record.started for record in records]
    batches = [lengths[start : start + WORKERS] for start in range(0, len(lengths), WORKERS)]
    waiting = sum(lengths) / sum(WORKERS * max(batch) for batch in batches)
    print(f"{len(records)} trials of {min(lengths):.1f} to {max(lengths):.1f} s on {WORKERS} workers")
    print(f"ratio busy/search {spent:.3f}")
    print(f"ratio busy/batches {waiting:.3f}", flush=True)


def same_best(num_searches: int) -> None:
    """Print the trials that a search needs, over those of one in batches."""
    ratios = []
    for name, function in FUNCTIONS.items():
        former = [best_so_far(in_batches(function, seed)) for seed in range(num_searches)]
        since = [best_so_far(as_they_end(function, seed)) for seed in range(num_searches)]
        target = median(best[-1] for best in former)
        ratios.append(fmean(map(trials_to(target), since)) / fmean(map(trials_to(target), former)))
        print(f"ratio trials-to-same-best/{name} {ratios[-1]:.2f}", flush=True)
    print(f"ratio trials-to-same-best/all {math.prod(ratios) ** (1 / len(ratios)):.2f}")


def in_batches(function: Callable[[list[float]], float], seed: int) -> list[float]:
    """Values in the order told: eight are asked for when the eight before are told."""
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=NUM_RANDOM)
    study, values = optuna.create_study(direction="maximize", sampler=sampler), list[float]()
    while len(values) < PROPOSALS:
        for trial in [study.ask(distributions(SPACE)) for _ in range(WORKERS)]:
            values.append(function(list(trial.params.values())))
            study.tell(trial, values[-1])
    return values


def as_they_end(function: Callable[[list[float]], float], seed: int) -> list[float]:
    """Values in the order told: one is asked for when one of eight that run has ended."""
    proposals, lengths, values = Proposals("tpe", SPACE, seed=str(seed)), random.Random(seed), list[float]()
    running: list[tuple[float, int, Setting]] = []
    for number in range(PROPOSALS):
        clock = 0.0
        if number >= WORKERS:
            clock = _end(running, proposals, function, values)
        setting = proposals.ask(number)
        heapq.heappush(running, (clock + SPREAD ** lengths.random(), number, setting))
    while running:
        _end(running, proposals, function, values)
    return values


def _end(running: list, proposals: Proposals, function: Callable[[list[float]], float], values: list[float]) -> float:
    clock, number, setting = heapq.heappop(running)
    values.append(function(list(setting.values())))
    proposals.tell(number, values[-1:])
    return clock


def best_so_far(values: list[float]) -> list[float]:
    """The best of the first 1, 2, ... values."""
    return [max(values[: i + 1]) for i in range(len(values))]


def trials_to(target: float) -> Callable[[list[float]], float]:
    """How many trials until `target` is reached; half as many again as there are where it is not."""
    return lambda best: next((i + 1 for i, value in enumerate(best) if value >= target), 1.5 * len(best))


if __name__ == "__main__":
    main()
