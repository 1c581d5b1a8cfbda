"""Trials a minute of a training function that takes 0.1 s: evenkeel, Ray Tune's function API, Optuna with joblib.

The same function, settings and seeds, the same number of worker processes; each is one whole command from start to
exit, in one run of this script, in turn:
(a) `evenkeel run`: ledger and MLflow included;
(b) a Ray Tune script after Ray's documentation: function API, one configuration a trial;
(c) an Optuna script: joblib's processes on one study in an sqlite file, and in a journal file.
Nobody can do more than ten trials a second and worker: the printed ceiling. Sixteen trials and many tell the start from
what each trial costs beyond the function's own time.
The function waits 0.1 s, as one does that waits for a GPU or another machine, or counts for 0.1 s of processor time
(`--busy`). Run: python -m benchmarks.function_trials  (a few minutes)
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FUNCTION = """
import time


def train(seed, rate=0.5):
    clock = {clock}
    started = clock()
    while clock() - started < 0.1:
        {wait}
    return {{split: {{"accuracy": 0.5 + 0.1 * rate + 0.01 * seed}} for split in ("val", "test")}}
"""
STUDY = """
name: waiting
trainable: {name: "train.py:train"}
spaces: {rate: {low: 0.0, high: 1.0}}
designs: {sobol: {m: %d}}
seeds: %d
metric: accuracy
"""
RAY_TUNE = """
from ray import tune
from train import train


def trial(config):
    tune.report(train(**config)["test"])


space = {"rate": tune.uniform(0, 1), "seed": tune.randint(0, %d)}
settings = tune.TuneConfig(num_samples=%d, max_concurrent_trials=%d)
print(len(tune.Tuner(tune.with_resources(trial, {"cpu": 1}), param_space=space, tune_config=settings).fit()))
"""
OPTUNA = """
import optuna
from joblib import Parallel, delayed
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from train import train

optuna.logging.set_verbosity(optuna.logging.WARNING)
STORAGE = %s


def objective(trial):
    return train(seed=trial.suggest_int("seed", 0, %d), rate=trial.suggest_float("rate", 0, 1))["test"]["accuracy"]


def work(num_trials):
    sampler = optuna.samplers.RandomSampler()
    optuna.create_study(
        study_name="waiting", storage=STORAGE, load_if_exists=True, direction="maximize", sampler=sampler
    ).optimize(objective, n_trials=num_trials)


optuna.create_study(study_name="waiting", storage=STORAGE, direction="maximize")
Parallel(n_jobs=%d)(delayed(work)(%d) for _ in range(%d))
print(len(optuna.load_study(study_name="waiting", storage=STORAGE).trials))
"""
STORAGES = {"sqlite": '"sqlite:///optuna.db"', "journal": 'JournalStorage(JournalFileBackend("optuna.log"))'}
"""Where Optuna's processes meet: its usual database, and the file that its documentation names for many of them."""
NUM_SEEDS = 8
FEWEST_POINTS = 1
TRIAL_S = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=6, help="2^m settings, each under eight seeds")
    parser.add_argument("--ray-points", type=int, default=3, help="the same for Ray Tune, which pays for every trial")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--busy", action="store_true", help="count for 0.1 s of processor time in place of waiting")
    options = parser.parse_args()
    print(f"{options.workers} workers; ceiling {60 * options.workers / TRIAL_S:.0f} trials/min")
    rates = {}
    for name in ("evenkeel", "ray-tune", *(f"optuna-{storage}" for storage in STORAGES)):
        points = options.ray_points if name == "ray-tune" else options.points
        few, few_s = _timed(name, FEWEST_POINTS, options)
        num, took_s = _timed(name, points, options)
        rates[name], each_s = 60 * num / took_s, (took_s - few_s) / (num - few)
        beyond_ms = 1000 * (each_s - TRIAL_S / options.workers)
        print(
            f"{name}: {num} trials in {took_s:.1f} s, {rates[name]:.0f} trials/min; start and end "
            f"{few_s - few * each_s:.1f} s, each further trial {beyond_ms:.0f} ms beyond the function's share"
        )
    for name in list(rates)[1:]:
        print(f"ratio function-trials/{name} {rates['evenkeel'] / rates[name]:.1f}")


def _timed(name: str, points: int, options: argparse.Namespace) -> tuple[int, float]:
    """How many trials, and the seconds of the whole command for them in a folder of its own."""
    num, workers = NUM_SEEDS * 2**points, options.workers
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clock, wait = ("time.process_time", "pass") if options.busy else ("time.monotonic", "time.sleep(0.01)")
        (folder / "train.py").write_text(FUNCTION.format(clock=clock, wait=wait))
        (folder / "study.yaml").write_text(STUDY % (points, NUM_SEEDS))
        (folder / "ray-tune.py").write_text(RAY_TUNE % (NUM_SEEDS, num, workers))
        for storage, source in STORAGES.items():
            script = OPTUNA % (source, NUM_SEEDS - 1, workers, num // workers, workers)
            (folder / f"optuna-{storage}.py").write_text(script)
        ours = ("-m", "evenkeel", "run", "study.yaml", "--workers", str(workers))
        return num, _seconds(folder, *(ours if name == "evenkeel" else (f"{name}.py",)))


def _seconds(folder: Path, *command: str) -> float:
    """From start to exit."""
    paths = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(folder))))
    environment = {**os.environ, "PYTHONPATH": paths, "HOME": str(folder)}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
