"""How fast is MLflow filled? Against a plain script that logs the same trials with the same client.

python -m benchmarks.tracking [--trials 1700] [--postgresql] [--search 10000 | --profile]

Both log each trial's parameters, tags, data set, final metrics and curves in as few calls as the client has, into a
database of their own, in turn on one machine. `plain` is one process with MLflow's own settings of databases and whole
curves; ours thins curves, uses a second process, takes turns on sqlite and commits without waiting for the disk.
PostgreSQL (Debian's package) is started on a free port of this machine and stopped again. `--search` fills so many runs
instead, and asks MLflow's server for a page of them, sorted as its UI sorts. `--profile` says in which calls of
MLflow's client the time of one filling process goes.
"""

import argparse
import cProfile
import json
import pstats
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.servers import MlflowServer, PostgreSql
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.run_writer import RunWriter
from evenkeel.study.tracking.tracker import MANY_TRIALS, OpenExperiment, Setup, StudyDescription, Tracker
from evenkeel.trainables import Trial

ABOUT = StudyDescription("bench", "", "digits-mlt", "f1", [0], {"ral": ""}, [], {"ral": 0})
NUM_EPOCHS = 20
WARM = 16
CALLS = ("create_run", "log_inputs", "log_batch", "set_terminated")
PAGE = 100
SORTS = {
    "start": "attributes.start_time DESC",
    "a metric": "metrics.`test/f1` DESC",
    "a parameter": "params.`h0` DESC",
    "a tag": "tags.`seed` ASC",
    "name": "attributes.run_name ASC",
}
"""How the UI sorts a page of runs."""


def records(number: int) -> list[TrialRecord]:
    """Trials as the demo records them: 32 metrics, two curves, nine hyperparameters."""
    names = [f"{split}_{m}{g}" for split in ("val", "test") for m in ("f1", "f1_tuned", "map", "mauc")
             for g in ("", "_head", "_medium", "_tail")]  # fmt: skip
    return [
        TrialRecord(
            study="bench",
            trial=Trial(loss="ral", hyperparameters={f"h{k}": i + k / 10 for k in range(9)}, seed=i,
                        data={"name": "digits-mlt"}, trainable={"name": "probe"}, design="sobol", label="ral"),
            state="done",
            started=1e9 + i,
            ended=1e9 + i + 1,
            metrics=dict.fromkeys(names, 0.5),
            curves={"train_loss": [0.1 * e for e in range(NUM_EPOCHS)], "val_f1": [0.2] * NUM_EPOCHS},
            versions={"torch": "2"},
        )
        for i in range(number)
    ]  # fmt: skip


def plain(uri: str, number: int) -> None:
    """What a careful script does; prints its seconds. Run in a process of its own."""
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag

    client = MlflowClient(uri)
    experiment = client.create_experiment("plain")
    data = [DatasetInput(Dataset("digits-mlt", "0", "local", "{}"), [])]
    for i, record in enumerate(records(number + WARM)):
        started = time.perf_counter() if i == WARM else locals().get("started", 0.0)
        run = client.create_run(experiment, tags={"loss": "ral", "seed": str(i)}).info.run_id
        metrics = [Metric(key, value, 0, 0) for key, value in record.metrics.items() if value is not None]
        metrics += [Metric(k, v or 0.0, 0, e) for k, curve in record.curves.items() for e, v in enumerate(curve)]
        params = [Param(key, str(value)) for key, value in record.trial.hyperparameters.items()]
        client.log_batch(run, metrics, params, [RunTag("state", "done")])
        client.log_inputs(run, data)
        client.set_terminated(run)
    print(json.dumps(time.perf_counter() - started))


def plain_rate(uri: str, number: int) -> float:
    """Runs a second of the plain script."""
    command = [sys.executable, "-m", "benchmarks.tracking", "--plain", uri, "--trials", str(number)]
    return number / json.loads(subprocess.check_output(command, text=True).splitlines()[-1])


def our_rate(uri: str, number: int, folder: Path, database: Path | None) -> float:
    """Runs a second of ours, both processes warm."""
    todo = records(number + WARM)
    with Tracker(Setup(uri, "bench", database, str(folder / "artifacts"), folder), print, print) as tracker:
        tracker.start(OpenExperiment("0" * 16, ABOUT, {}), todo[:WARM], MANY_TRIALS)
        assert tracker.finish() == 0
        started = time.perf_counter()
        for record in todo[WARM:]:
            tracker.submit(record)
        tracker.summarize({})
        assert tracker.finish() == 0
        return number / (time.perf_counter() - started)


def search(name: str, number: int, uri: str, folder: Path, database: Path | None) -> None:
    """Print how long a page of the UI takes when so many runs are there; a first one warms the server."""
    from mlflow import MlflowClient

    print(f"{name}: {our_rate(uri, number, folder, database):.1f} runs/s ({number} trials)", flush=True)
    with MlflowServer(uri, folder) as server:
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("bench").experiment_id
        client.search_runs([experiment], max_results=PAGE)
        slowest = 0.0
        for words, order in SORTS.items():
            started, before = time.perf_counter(), server.cpu_s()
            assert len(client.search_runs([experiment], max_results=PAGE, order_by=[order])) == PAGE
            seconds = time.perf_counter() - started
            slowest = max(slowest, seconds)
            computing = server.cpu_s() - before
            print(f"{name}: a page of {number} runs by {words}: {seconds:.2f} s, the server computes {computing:.2f} s")
    print(f"ratio tracking/{name}/search-page-seconds {slowest:.2f}")


def profile(number: int, folder: Path, database: Path) -> None:
    """Print the share of each call of MLflow's client in a filling process, and what is left for ours."""
    filler = RunWriter(
        Setup(f"sqlite:///{database}", "bench", database, str(folder / "artifacts"), folder), lambda _: None
    )
    filler.start(OpenExperiment("0" * 16, ABOUT, {}))
    todo = records(number + WARM)
    for record in todo[:WARM]:
        filler.fill(record)
    watched = cProfile.Profile()
    watched.enable()
    for record in todo[WARM:]:
        filler.fill(record)
    watched.disable()
    stats = pstats.Stats(watched)
    inside = {
        name: spent / stats.total_tt  # type: ignore[attr-defined]
        for (file, _, name), (_, _, _, spent, _) in stats.stats.items()  # type: ignore[attr-defined]
        if file.endswith("mlflow/tracking/client.py") and name in CALLS
    }
    for name, share in [*inside.items(), ("everything else", 1 - sum(inside.values()))]:
        print(f"{name:16}{share:6.1%}")


def compare(name: str, number: int, plain_uri: str, our_uri: str, folder: Path, database: Path | None) -> None:
    """Print both rates and their ratio."""
    theirs, ours = plain_rate(plain_uri, number), our_rate(our_uri, number, folder, database)
    print(f"{name}: plain client {theirs:.1f} runs/s, ours {ours:.1f} runs/s ({number} trials)")
    print(f"ratio tracking/{name} {ours / theirs:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1700, help="as many as the demo has")
    parser.add_argument("--postgresql", action="store_true", help="also on PostgreSQL")
    parser.add_argument("--plain", metavar="URI", help=argparse.SUPPRESS)
    parser.add_argument("--search", type=int, metavar="RUNS", help="time a page of so many runs instead")
    parser.add_argument("--profile", action="store_true", help="where the time of a filling process goes, on sqlite")
    options = parser.parse_args()
    if options.plain:
        return plain(options.plain, options.trials)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "ours.db"
        if options.profile:
            profile(options.trials, folder, database)
        elif options.search:
            search("sqlite", options.search, f"sqlite:///{database}", folder, database)
        else:
            compare("sqlite", options.trials, f"sqlite:///{folder}/plain.db", f"sqlite:///{database}", folder, database)
    if options.postgresql:
        with ExitStack() as stack:
            folder, own = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
            server = stack.enter_context(PostgreSql(folder))
            if options.search:
                search("postgresql", options.search, server.database("ours"), own, None)
            else:
                compare("postgresql", options.trials, server.database("plain"), server.database("ours"), own, None)


if __name__ == "__main__":
    main()
