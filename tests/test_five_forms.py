"""Real trials, kept from a run of the demo's losses, written to each form as its own tool does, give the same verdicts.

`kept_trials.csv` holds a sweep of 90 trials on digits-mlt (five seeds); the verdicts are those that evenkeel's own page
of them gives without the noise of test images, which no other tool keeps.
"""

import json
from pathlib import Path

import optuna
import pandas as pd
import pytest

from evenkeel.reports.verdict.frame import verdict_frame
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.mapping import RunsMapping
from evenkeel.study.exchange.read_runs import read_runs
from evenkeel.study.exchange.runs_table import runs_table
from evenkeel.study.exchange.understand import understand

VERDICTS = {
    ("asl", "clip"): "real drop, size open",
    ("asl", "gamma_neg"): "real drop, size open",
    ("ral", "clip"): "sensitive",
    ("ral", "gamma_neg"): "sensitive",
    ("ral", "hill_lambda"): "steady",
}
SETTINGS, SCORES = ["gamma_neg", "clip", "hill_lambda"], ["val_map", "test_map"]


@pytest.fixture
def trials() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "kept_trials.csv")


def judged(
    source: str, tracking_uri: str | None = None, varied=("init", "order", "train_rows")
) -> dict[tuple[str, str], str]:
    """The verdicts under what was understood, where nothing had to be asked."""
    runs = read_runs(source, tracking_uri)
    understood = understand(runs)
    assert understood.questions == [] and understood.mapping["design"] == "sweep"
    mapping = RunsMapping.model_validate(understood.mapping | {"varied": varied})
    frame = verdict_frame(runs_table(runs, mapping)[0], mapping.metric)
    return {(row.loss, row.hyperparameter): row.verdict for row in frame.itertuples()}


def test_what_seeds_vary_decides_how_sure_a_drop_is(trials, tmp_path):
    """Seeds of the demo draw their own train rows; who does not say so gets intervals without another training set."""
    trials.to_csv(tmp_path / "runs.csv", index=False)
    assert judged(str(tmp_path / "runs.csv"), varied=())["asl", "clip"] == "sensitive"


def settings_of(row) -> dict[str, float]:
    return {name: row[name] for name in SETTINGS if not pd.isna(row[name])}


def test_a_table(trials, tmp_path):
    trials.to_csv(tmp_path / "runs.csv", index=False)
    trials.to_parquet(tmp_path / "runs.parquet")
    assert judged(str(tmp_path / "runs.csv")) == judged(str(tmp_path / "runs.parquet")) == VERDICTS


def test_the_export_of_wandb(trials, tmp_path):
    """Its runs table: a name, state and times before configuration and summary, every cell in quotes."""
    names = [f"fancy-sun-{number}" for number in range(len(trials))]
    head = pd.DataFrame({"Name": names, "State": "finished", "Notes": "-", "User": "me", "Tags": "", "Runtime": 12})
    exported = pd.concat([head, trials], axis=1).assign(Sweep="")
    exported.to_csv(tmp_path / "wandb_export.csv", index=False, quoting=1)
    assert judged(str(tmp_path / "wandb_export.csv")) == VERDICTS


def test_an_optuna_storage(trials, tmp_path):
    """A study a loss; the score is what each study maximises, the seed an attribute of its trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
    storage = optuna.storages.JournalStorage(backend)
    for loss, rows in trials.groupby("loss"):
        study = optuna.create_study(storage=storage, study_name=loss, direction="maximize")
        for row in rows.to_dict("records"):
            params = settings_of(row)
            distributions = {name: optuna.distributions.FloatDistribution(0, 99) for name in params}
            parts = {"params": params, "distributions": distributions, "user_attrs": {"seed": row["seed"]}}
            study.add_trial(optuna.create_trial(value=row["test_map"], **parts))
    assert judged(str(tmp_path / "study.log")) == VERDICTS


def test_a_folder_of_ray_tune(trials, tmp_path):
    for number, row in enumerate(trials.to_dict("records")):
        folder = tmp_path / "tune" / f"train_{number:05d}"
        folder.mkdir(parents=True)
        params = {"loss": row["loss"], "seed": row["seed"], **settings_of(row)}
        (folder / "params.json").write_text(json.dumps(params))
        result = {name: row[name] for name in SCORES} | {"training_iteration": 1, "time_total_s": 2.5, "config": params}
        (folder / "result.json").write_text(json.dumps(result) + "\n")
    assert judged(str(tmp_path / "tune")) == VERDICTS


@pytest.mark.whole
def test_an_mlflow_experiment_that_is_not_ours(trials, tmp_path):
    import mlflow
    from mlflow.entities import Metric, Param

    uri = f"sqlite:///{tmp_path}/theirs.db"
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("theirs")
    for row in trials.to_dict("records"):
        run = client.create_run(experiment).info.run_id
        named = {"loss": row["loss"], "seed": row["seed"], **settings_of(row)}
        scores = [Metric(name, row[name], 0, 0) for name in SCORES]
        client.log_batch(run, metrics=scores, params=[Param(name, str(value)) for name, value in named.items()])
        client.set_terminated(run)
    assert judged("mlflow:theirs", uri) == VERDICTS
    _nest(client)
    read = read_runs("mlflow:nested", uri)
    assert len(read.frame) == 4 and "only hold others together: parents of nested runs (1)" in read.notes[0]
    assert understand(read).mapping["hyperparameters"] == {"lr": 0.1}, "a folder of its own for each run is no setting"
    with pytest.raises(UserError, match="no such experiment; it has: .*theirs"):
        read_runs("mlflow:other", uri)
    with pytest.raises(UserError, match="give --tracking-uri"):
        read_runs("mlflow:theirs", None)


def _nest(client) -> None:
    """A run that holds four others together, as MLflow's own searches do; every parameter is a text there."""
    experiment = client.create_experiment("nested")
    parent = client.create_run(experiment).info.run_id
    for number, (lr, seed) in enumerate([("0.1", "0"), ("0.1", "1"), ("0.2", "0"), ("0.2", "1")]):
        run = client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
        for name, value in {"lr": lr, "seed": seed, "output_dir": f"runs/{number}"}.items():
            client.log_param(run, name, value)
        client.log_metric(run, "val/acc", 0.5)
        client.log_metric(run, "test/acc", 0.5 + number / 10)
        client.set_terminated(run)
    client.set_terminated(parent)
