"""Runs as real tools leave them in their corners: nothing that could change a verdict is guessed in silence."""

import json
import math
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages.journal import JournalFileBackend

from evenkeel.study.errors import UserError
from evenkeel.study.exchange.foreign_runs import ForeignRuns
from evenkeel.study.exchange.mapping import RunsMapping
from evenkeel.study.exchange.read_runs import read_runs
from evenkeel.study.exchange.runs_table import runs_table
from evenkeel.study.exchange.understand import Understanding, understand

NUM_SEEDS = 4


@pytest.fixture
def journal(tmp_path):
    """A storage in a file, and the path by which it is read."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study.log"))), str(tmp_path / "study.log")


def understood(source: str | Path) -> tuple[ForeignRuns, Understanding]:
    runs = read_runs(str(source), None)
    return runs, understand(runs)


def sweep(**columns) -> pd.DataFrame:
    """Two hyperparameters, one at a time about lr 0.1 and depth 3, each at four seeds."""
    rng = np.random.default_rng(0)
    settings = [(0.1, 3), (0.01, 3), (1.0, 3), (0.1, 5)]
    rows = [
        {"lr": lr, "depth": depth, "seed": seed, "test_acc": 0.8 + rng.normal(0, 0.001)}
        for lr, depth in settings
        for seed in range(NUM_SEEDS)
    ]
    return pd.DataFrame(rows).assign(**columns)


@pytest.mark.parametrize("parameters", ["one", "two"])
def test_a_search_by_scores_over_few_levels_is_no_sweep_and_no_grid(journal, parameters):
    """It comes back to the levels that it likes: all are there, and some far more often."""
    storage, path = journal
    study = optuna.create_study(
        study_name="n", storage=storage, direction="maximize", sampler=optuna.samplers.TPESampler(seed=0)
    )

    def objective(trial):
        second = trial.suggest_categorical("b", [0, 1]) if parameters == "two" else 0
        return 0.5 - 0.1 * abs(trial.suggest_int("n", 1, 3) - 2) - 0.1 * second

    study.optimize(objective, n_trials=30)
    levels = pd.DataFrame([trial.params for trial in study.trials])
    assert len(levels.drop_duplicates()) == 3 * levels.get("b", pd.Series([0])).nunique(), "all combinations are there"
    _, known = understood(path)
    assert known.mapping["design"] == "adaptive" and known.questions == []


def test_one_hyperparameter_at_several_seeds_is_a_sweep_whose_default_is_asked(tmp_path):
    sweep().query("depth == 3").drop(columns="depth").to_csv(tmp_path / "runs.csv", index=False)
    _, known = understood(tmp_path / "runs.csv")
    assert known.mapping["design"] == "sweep" and "is the default one of" in known.questions[0]


def test_studies_of_one_storage_must_ask_for_the_same(journal):
    storage, path = journal
    for name, direction in (("up", "maximize"), ("down", "minimize")):
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    with pytest.raises(UserError, match="up maximizes value, down minimizes value; name one study: .*study.log:up"):
        read_runs(path, None)
    assert understood(f"{path}:down")[1].mapping["metrics"]["value"]["better"] == "lower"
    with pytest.raises(UserError, match="study.log:side: no such study; there are up, down"):
        read_runs(f"{path}:side", None)


def test_conditional_parameters_stay_whole_numbers_and_enqueued_trials_did_not_run(journal):
    storage, path = journal
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial):
        if trial.suggest_categorical("kind", ["tree", "svm"]) == "tree":
            return trial.suggest_int("depth", 1, 9) / 9
        if trial.number % 3 == 0:
            raise optuna.TrialPruned
        return trial.suggest_float("c", 0, 1)

    study.optimize(objective, n_trials=12)
    study.enqueue_trial({"kind": "svm", "c": 0.5})
    runs, known = understood(path)
    assert len(runs.frame) == 12 and "enqueued and were never run" in known.lines[0]
    assert "censored" in runs.states and set(runs.frame.study) == {"study"}, "Optuna's made-up name is no method"
    table, _ = runs_table(runs, RunsMapping.model_validate(known.mapping))
    assert {type(value) for value in table["hp.depth"].dropna()} == {int}


def test_settings_that_depend_on_another_make_every_default_a_question(tmp_path):
    """As a list of grids for scikit-learn: a kernel with two degrees is the most frequent, and no default."""
    from sklearn.datasets import make_moons
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    grid = [{"kernel": ["linear", "rbf"]}, {"kernel": ["poly"], "degree": [2, 3]}]
    search = GridSearchCV(SVC(), grid, cv=5).fit(*make_moons(60, noise=0.3, random_state=0))
    pd.DataFrame(search.cv_results_).to_csv(tmp_path / "cv.csv")
    runs, known = understood(tmp_path / "cv.csv")
    assert [question.partition(":")[0] for question in known.questions] == [
        "hyperparameters.kernel", "hyperparameters.degree"
    ]  # fmt: skip
    answers = {"hyperparameters": {"kernel": "poly", "degree": 3.0}, "design": "sweep"}
    table, notes = runs_table(runs, RunsMapping.model_validate(known.mapping | answers))
    assert "10 runs do not set degree and count as runs at its default" in notes
    assert set(table.moved.dropna()) == {"kernel", "degree"} and set(table[table.moved.isna()]["hp.degree"]) == {3.0}


def test_a_halving_search_is_adaptive_and_what_trained_for_less_was_stopped(tmp_path):
    from sklearn.datasets import load_iris
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    space = {"max_depth": [1, 2, None], "min_samples_leaf": [1, 5]}
    search = HalvingGridSearchCV(DecisionTreeClassifier(random_state=0), space, cv=3, factor=2, random_state=0)
    results = pd.DataFrame(search.fit(*load_iris(return_X_y=True)).cv_results_)
    results.to_csv(tmp_path / "cv.csv")
    runs, known = understood(tmp_path / "cv.csv")
    at_most = int((results.n_resources == results.n_resources.max()).sum())
    assert runs.states.count("done") == 3 * at_most < len(runs.states) and known.mapping["design"] == "adaptive"
    assert "halving" in known.lines[1] and "None" in set(runs.frame.max_depth), "a blank of a table is a value here"


def test_nested_names_of_wandb_are_settings_and_scores(tmp_path):
    """`optimizer.name` is no name of a run, `test/acc` no hyperparameter."""
    frame = sweep(Name=[f"run-{i}" for i in range(16)], State="finished", Runtime=range(16), Sweep="")
    frame["config.optimizer.name"] = "sgd"
    last = frame.query("lr == 0.1 and depth == 3").assign(**{"config.optimizer.name": "adam"})
    frame = pd.concat([frame, last], ignore_index=True)
    frame["val/acc"], frame["train/loss"] = frame.test_acc - 0.01, 1 - frame.test_acc
    names = {"lr": "config.optimizer.lr", "depth": "config.depth", "seed": "config.train.seed", "test_acc": "test/acc"}
    frame.rename(columns=names).to_csv(tmp_path / "wandb.csv", index=False)
    _, known = understood(tmp_path / "wandb.csv")
    assert known.questions == [] and known.mapping["design"] == "sweep"
    assert known.mapping["hyperparameters"] == {
        "config.optimizer.lr": 0.1, "config.depth": 3, "config.optimizer.name": "sgd"
    }  # fmt: skip
    assert known.mapping["metrics"] == {"acc": {"column": "test/acc", "validation": "val/acc", "better": "higher"}}


def test_a_number_that_differs_in_every_run_is_asked_for(tmp_path):
    sweep(throughput=np.linspace(90, 110, 16)).to_csv(tmp_path / "runs.csv", index=False)
    _, known = understood(tmp_path / "runs.csv")
    assert any("are throughput outcomes?" in question for question in known.questions)


def test_types_of_parquet_are_those_of_python(tmp_path):
    frame = sweep()
    plain = understood_of(frame, tmp_path)
    odd = frame.assign(
        lr=frame.lr.astype("float32").astype("category"), depth=frame.depth.astype("Int16"),
        seed=frame.seed.astype("category"), test_acc=frame.test_acc.astype("Float64"), tags=[["a", "b"]] * len(frame),
    )  # fmt: skip
    assert understood_of(odd, tmp_path)["hyperparameters"] == plain["hyperparameters"] == {"lr": 0.1, "depth": 3}
    short = frame.assign(lr=frame.lr.astype("float32"))
    assert understood_of(short, tmp_path)["hyperparameters"]["lr"] == 0.1


def understood_of(frame: pd.DataFrame, folder: Path) -> dict:
    frame.to_parquet(folder / "runs.parquet")
    return understood(folder / "runs.parquet")[1].mapping


def test_a_table_with_decimal_commas_holds_numbers(tmp_path):
    frame = pd.DataFrame({"lr": [0.1, 0.1, 1.0, 1.0], "seed": [0, 1, 0, 1], "acc": [0.8, math.inf, 0.7, 0.71]})
    frame.to_csv(tmp_path / "t.csv", sep=";", decimal=",", index=False)
    runs = read_runs(str(tmp_path / "t.csv"), None)
    pd.testing.assert_frame_equal(runs.frame, frame)
    assert not any(question.startswith("margin") for question in understand(runs).questions)  # inf is no score


def test_runs_of_which_none_finished_are_told_so(tmp_path):
    pd.DataFrame({"lr": [0.1, 1.0], "state": ["failed", "crashed"]}).to_csv(tmp_path / "t.csv", index=False)
    assert "metrics: none of 2 runs finished" in " ".join(
        understand(read_runs(str(tmp_path / "t.csv"), None)).questions
    )


def test_missing_seeds_are_asked_for(tmp_path):
    frame = sweep()
    frame.assign(seed=frame.seed.astype("Int64").where(frame.index != 2)).to_parquet(tmp_path / "runs.parquet")
    runs, known = understood(tmp_path / "runs.parquet")
    assert known.questions == [
        "seed: 1 runs have no seed; fill them in, or write seed: null to number the runs of each setting"
    ]
    with pytest.raises(UserError, match="1 runs have no seed; fill them in"):
        runs_table(runs, RunsMapping.model_validate(known.mapping))


def test_a_run_that_failed_and_was_started_again_counts_as_it_ended(tmp_path):
    frame = sweep(state="finished")
    again = frame.iloc[[4]]
    frame.loc[4, ["state", "test_acc"]] = ["crashed", np.nan]
    pd.concat([frame, again]).to_csv(tmp_path / "runs.csv", index=False)
    runs, known = understood(tmp_path / "runs.csv")
    assert known.questions == [] and known.mapping["design"] == "sweep"
    table, notes = runs_table(runs, RunsMapping.model_validate(known.mapping))
    assert set(table.state) == {"done"} and len(table) == 16 and "of each the first that finished" in notes[0]


def tune_folder(folder: Path, runs: list[tuple[dict, int, bool]]) -> Path:
    """Trials of Ray Tune: their settings, iterations, and whether they failed."""
    for number, (params, iterations, failed) in enumerate(runs):
        trial = folder / f"train_{number:05d}"
        trial.mkdir(parents=True)
        (trial / "params.json").write_text(json.dumps(params))
        lines = [{"test_acc": 0.1 * (k + 1), "training_iteration": k + 1, "config": params} for k in range(iterations)]
        (trial / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if failed:
            (trial / "error.txt").touch()
    return folder


def test_trials_that_a_scheduler_stopped_are_no_sweep(tmp_path):
    settings = [{"lr": lr, "seed": seed} for lr in (0.1, 0.2) for seed in range(3)]
    same = tune_folder(tmp_path / "same", [(params, 4, False) for params in settings])
    assert understood(same)[1].mapping["design"] == "sweep"
    stopped = tune_folder(tmp_path / "stopped", [(params, 1 + 3 * (params["lr"] == 0.1), False) for params in settings])
    _, known = understood(stopped)
    assert known.mapping["design"] == "adaptive" and known.mapping["metric"] == "acc"
    assert any("trials ended after 1 to 4 iterations: a scheduler" in line for line in known.lines)


def test_a_trial_that_ray_tune_restored_in_a_folder_of_its_own_counts_once(tmp_path):
    settings = [{"lr": lr, "seed": seed} for lr in (0.1, 0.2) for seed in range(3)]
    runs = [(params, 0 if params == settings[1] else 2, params == settings[1]) for params in settings]
    read, known = understood(tune_folder(tmp_path / "restored", [*runs, (settings[1], 2, False)]))
    assert known.mapping["design"] == "sweep"
    table, _ = runs_table(read, RunsMapping.model_validate(known.mapping))
    assert len(table) == 6 and set(table.state) == {"done"}
