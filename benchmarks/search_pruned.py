"""What does it save to give up early, and does it cost the winner anything?

python -m benchmarks.search_pruned [--proposals 24] [--seeds 4]        (make bench-search)

A `finetune` search on scikit-learn's 1,797 handwritten digits (a small residual network, nine epochs, the settings of a
loss and the learning rate) on two workers: whole, and with `pruner: asha`. Worker-seconds are those of all its trials,
the confirmation on fresh seeds included, which is never cut short. Beside it, with the worker-seconds that the search
with a pruner took, a script by the documentation of Ray Tune (ASHA, OptunaSearch) and one by that of Optuna (its own
pruner), which train the same trials; their best completed setting is run on the same fresh seeds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
from PIL import Image
from sklearn.datasets import load_digits

from evenkeel.reports.statistics.intervals import t_interval
from evenkeel.search_spaces.optuna_search import distributions
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import Planner, make_planner
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import TrialRecord
from evenkeel.trainables.epochs import judged_by
from evenkeel.trainables.result import Result

EPOCHS, NUM_TEST, SIDE = 9, 597, 16
STUDY = """
name: pruned
data: {{name: csv, root: {root}, tables: {{train: train.csv, test: test.csv}}, images: {{all: images}},
  image_column: image, label_column: digit, validation: {{fraction: 0.25}}}}
trainable:
  {{name: finetune, backbone: {{name: test_resnet}}, image_size: {side}, epochs: {epochs}, batch: 64, lr: 0.003}}
losses: [{{loss: ral, fixed: {{focusing: full}}}}]
spaces: {{lr: {{low: 0.00003, high: 0.3, log: true}}}}
designs: {{search: {{trials: {trials}, batch: 2, fresh_seeds: {seeds}, pruner: {pruner}}}}}
seeds: 1
resources: {{pack_size: 1}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=4, help="fresh seeds of the confirmation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ek-") as name:
        folder = Path(name)
        write_digits(folder)
        whole = search(folder, "null", options.proposals, options.seeds)
        pruned = search(folder, "asha", options.proposals, options.seeds)
        report(whole, pruned)
        budget_s = sum(record.wall_s for record in pruned if record.trial.design == "search")
        bench = Bench.of(folder, options.seeds)
        for rival, best in (
            ("ray-tune-asha", by_ray_tune(bench, budget_s)),
            ("optuna-pruner", by_optuna(bench, budget_s)),
        ):
            print(f"confirmed/{rival} {fmean(bench.confirm(best)):.4f}", flush=True)


def write_digits(folder: Path) -> None:
    """The digits as images of 16 pixels, the last 597 of them for test."""
    digits = load_digits()
    (folder / "images").mkdir()
    rows = [f"{number}.png,d{digit}" for number, digit in enumerate(digits.target)]
    for number, pixels in enumerate(digits.images):
        image = Image.fromarray((pixels * 255 / 16).astype("uint8"))
        image.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / "images" / f"{number}.png")
    for table, part in (("train", rows[:-NUM_TEST]), ("test", rows[-NUM_TEST:])):
        (folder / f"{table}.csv").write_text("\n".join(["image,digit", *part]) + "\n")


def search(folder: Path, pruner: str, num_proposals: int, num_seeds: int) -> list[TrialRecord]:
    """Run a search to its end on two workers; returns its records."""
    study, storage = folder / f"{pruner}.yaml", f"{folder}/{pruner}"
    study.write_text(
        STUDY.format(root=folder, side=SIDE, epochs=EPOCHS, trials=num_proposals, seeds=num_seeds, pruner=pruner)
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "EVENKEEL_CACHE": f"{folder}/cache"}
    words = ["run", str(study), "--storage", storage, "--workers", "2", "--track-later"]
    subprocess.run([sys.executable, "-m", "evenkeel", *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    return list(Ledger(storage, "pruned").read_all().values())


def report(whole: list[TrialRecord], pruned: list[TrialRecord]) -> None:
    """What was spent, and the winners on fresh seeds."""
    for name, records in (("whole", whole), ("pruned", pruned)):
        num_stopped = sum(record.state == "censored" for record in records)
        spent = sum(record.wall_s for record in records)
        print(f"{name}: {len(records)} trials, {num_stopped} stopped early, {spent:.0f} worker-seconds")
    for unit, cost in (("worker-seconds", lambda record: record.wall_s), ("epochs", lambda record: record.epochs_done)):
        print(f"ratio {unit}/pruned-vs-whole {sum(map(cost, pruned)) / sum(map(cost, whole)):.2f}")
    scores = [confirmed(records) for records in (whole, pruned)]
    gain = t_interval(np.subtract(scores[1], scores[0]))
    print(f"confirmed/whole {fmean(scores[0]):.4f}\nconfirmed/pruned {fmean(scores[1]):.4f}")
    print(f"confirmed/pruned-minus-whole {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]", flush=True)


def confirmed(records: list[TrialRecord]) -> list[float]:
    """The test scores of the winner, by seed."""
    winners = [record for record in records if record.trial.design == "confirm" and record.trial.group is not None]
    return [float(record.metrics["test_f1"] or 0) for record in sorted(winners, key=lambda record: record.trial.seed)]


@dataclass
class Reporter:
    """Hands epochs on to another tool; `tell` returns whether that ends the trial."""

    tell: Callable[[int, float], bool]

    def stop_reason(self, trial: Any, epoch: int, scores: Any) -> str | None:
        return "stopped" if self.tell(epoch, scores["val_f1"]) else None


@dataclass
class Bench:
    """Trains the study's trials for other tools."""

    planner: Planner
    worker: Any
    prepared: Any
    folder: Path
    num_seeds: int
    spent: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, num_seeds: int) -> "Bench":
        """The data decoded, the model tried."""
        config = load_study(str(folder / "asha.yaml"))
        worker = config.trainable.worker(config.all_measures)
        prepared = worker.prepare(config.data, folder / "cache", "cpu")
        return cls(make_planner(config), worker, prepared, folder / "rivals", num_seeds)

    def train(self, setting: dict[str, Any], seed: int, tell: Callable[[int, float], bool]) -> Result:
        """One trial."""
        trial = self.planner.trial(self.planner.config.entries[0], setting, seed, "search")
        with judged_by(Reporter(tell)):
            ((_, result),) = self.worker.run([trial], self.prepared, self.folder)
        self.spent.append(result.wall_s)
        return result

    def confirm(self, setting: dict[str, Any]) -> list[float]:
        """Test scores on the fresh seeds of the study."""
        seeds = self.planner.config.fresh_seeds
        return [float(self.train(setting, seed, lambda *_: False).metrics["test_f1"] or 0) for seed in seeds]


def by_optuna(bench: Bench, budget_s: float) -> dict[str, Any]:
    """The best setting that Optuna finds, one trial after the other, with its own pruner."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0), pruner=pruner)
    space = distributions(bench.planner.config.axes(bench.planner.config.entries[0]))
    bench.spent.clear()
    while sum(bench.spent) < budget_s:
        trial = study.ask(space)

        def tell(epoch: int, value: float, trial: optuna.Trial = trial) -> bool:
            trial.report(value, epoch)
            return trial.should_prune()

        result = bench.train(trial.params, 0, tell)
        stopped = result.state == "censored"
        state = optuna.trial.TrialState.PRUNED if stopped else optuna.trial.TrialState.COMPLETE
        study.tell(trial, None if stopped else result.metrics["val_f1"], state=state)
    return study.best_params


def by_ray_tune(bench: Bench, budget_s: float) -> dict[str, Any]:
    """The best setting that Ray Tune finds on two workers, with ASHA."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    class Budget(tune.Stopper):
        """Ends all when the epochs so far took the budget."""

        spent = 0.0

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            self.spent += result["seconds"]
            return False

        def stop_all(self) -> bool:
            return self.spent >= budget_s

    def objective(config: dict[str, Any]) -> None:
        since = [time.perf_counter()]

        def tell(epoch: int, value: float) -> bool:
            now = time.perf_counter()
            seconds, since[0] = now - since[0], now
            tune.report({"val_f1": value, "seconds": seconds, "epoch": epoch})
            return False

        own = Bench.of(bench.folder.parent, bench.num_seeds)
        since[0] = time.perf_counter()
        result = own.train(config, 0, tell)
        tell(EPOCHS, float(result.metrics["val_f1"] or 0))

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    space = distributions(bench.planner.config.axes(bench.planner.config.entries[0]))
    tuner = tune.Tuner(
        objective,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(space, metric="val_f1", mode="max", seed=0),
            scheduler=tune.schedulers.ASHAScheduler(metric="val_f1", mode="max", max_t=EPOCHS, grace_period=1),
            num_samples=-1,
        ),
        run_config=tune.RunConfig(storage_path=f"{bench.folder}/ray", verbose=0, stop=Budget()),
    )
    results = [result for result in tuner.fit() if (result.metrics or {}).get("epoch") == EPOCHS]
    ray.shutdown()
    return dict(max(results, key=lambda result: result.metrics["val_f1"]).config)


if __name__ == "__main__":
    main()
