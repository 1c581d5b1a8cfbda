"""Trials out to other tools and back; other people's runs become a page, and what is not sure is asked."""

import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml

from evenkeel.reports.table.designs import losses_of, sweep_of
from evenkeel.reports.table.trial_table import IMAGES, facts_of
from evenkeel.reports.verdict.family import rests_on
from evenkeel.reports.verdict.frame import verdict_frame
from evenkeel.reports.verdict.verdict import STEADY
from evenkeel.study.cli import main
from evenkeel.study.errors import EXIT_BAD_INPUT, UserError
from evenkeel.study.exchange.mapping import RunsMapping, read_mapping
from evenkeel.study.exchange.optuna_storage import write_optuna
from evenkeel.study.exchange.read_runs import read_runs
from evenkeel.study.exchange.runs_table import runs_table
from evenkeel.study.exchange.tidy import data_dictionary, write_table
from evenkeel.study.exchange.understand import understand
from tests.synthetic import table as make_table


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    """A whole study in which apl falls when gamma_neg moves and nothing else does."""

    def score(loss, setting):
        return 0.6 - 0.02 * abs(setting.get("gamma_neg", 4) - 4) * (loss == "apl")

    return make_table(np.random.default_rng(0), score)


def plain_runs(path: Path, *, num_seeds: int = 6, drop: float = 0.0, metric: str = "test_acc", **extra) -> Path:
    """A CSV as people keep one: two optimizers, one hyperparameter at a time about lr 0.1 and decay 0."""
    rng, rows = np.random.default_rng(1), []
    for optimizer in ("sgd", "adam"):
        for lr, decay in ((0.1, 0.0), (0.01, 0.0), (1.0, 0.0), (0.1, 0.001)):
            for seed in range(num_seeds):
                score = 0.8 - drop * (lr == 1.0) * (optimizer == "sgd") + rng.normal(0, 0.001)
                rows.append({"optimizer": optimizer, "lr": lr, "decay": decay, "seed": seed, metric: score, **extra})
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def judged(path: Path, **changes) -> dict[tuple[str, str], str]:
    """The verdicts under what was understood, with changes to the mapping."""
    runs = read_runs(str(path), None)
    mapping = RunsMapping.model_validate(understand(runs).mapping | changes)
    frame = verdict_frame(runs_table(runs, mapping)[0], mapping.metric)
    return {(row.loss, row.hyperparameter): row.verdict for row in frame.itertuples()}


@pytest.mark.parametrize("name", ["trials.csv", "trials.parquet", pytest.param("trials.db", marks=pytest.mark.whole)])
def test_what_is_written_reads_back_with_the_same_verdicts(trials, tmp_path, name):
    path = tmp_path / name
    write_optuna(trials, path) if path.suffix == ".db" else write_table(trials, path)
    without_images = trials[[column for column in trials.columns if not column.startswith(IMAGES)]]
    without_images.attrs = trials.attrs
    expected = verdict_frame(without_images, "f1")
    assert judged(path, metric="f1") == {(r.loss, r.hyperparameter): r.verdict for r in expected.itertuples()}
    assert len(set(expected.verdict)) > 1


def test_the_table_has_a_row_a_trial_and_a_dictionary_of_every_column(trials, tmp_path):
    table, columns = write_table(trials, tmp_path / "t.csv")
    read, words = pd.read_csv(table), pd.read_csv(columns)
    assert list(read.trial_id) == list(trials.trial_id) and np.allclose(read.test_f1, trials.test_f1, equal_nan=True)
    assert list(words.column) == list(read.columns) and words.meaning.notna().all()
    assert set(data_dictionary(trials).query("kind == 'metric'").better) <= {"higher", "lower"}


def test_optuna_opens_the_storage_and_finds_its_best_trial(trials, tmp_path):
    few = trials.groupby("loss").head(8)
    few.attrs = trials.attrs
    trials, names = few, write_optuna(few, tmp_path / "t.db")
    assert names == [f"synthetic: {label}" for label in losses_of(trials)]
    for label, name in zip(losses_of(trials), names, strict=True):
        study, rows = (
            optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/t.db"),
            trials[trials.loss == label],
        )
        assert study.best_value == pytest.approx(rows.val_f1.max()) and len(study.trials) == len(rows)
        assert set(study.trials[0].params) == set(facts_of(trials).losses[label].space)
    with pytest.raises(UserError, match="is there already"):
        write_optuna(trials, tmp_path / "t.db")


def test_a_plain_table_is_understood_and_judged(tmp_path):
    path = plain_runs(tmp_path / "sweep.csv", drop=0.1)
    known = understand(read_runs(str(path), None))
    assert known.questions == [] and known.mapping["method"] == "optimizer" and known.mapping["design"] == "sweep"
    assert known.mapping["hyperparameters"] == {"lr": 0.1, "decay": 0.0}
    assert known.mapping["metrics"] == {"acc": {"column": "test_acc", "validation": None, "better": "higher"}}
    verdicts = judged(path)
    assert verdicts["sgd", "lr"] == "sensitive" and verdicts["adam", "lr"] == verdicts["sgd", "decay"] == STEADY


def test_a_metric_that_is_better_when_lower_is_judged_by_its_direction(tmp_path):
    """The same fall of 0.1 is a gain of an error rate: no drop."""
    path = plain_runs(tmp_path / "errors.csv", drop=0.1, metric="test_error")
    assert judged(path)["sgd", "lr"] == STEADY
    assert judged(path, metrics={"error": {"column": "test_error", "better": "higher"}})["sgd", "lr"] == "sensitive"


def test_random_settings_are_not_swept_and_searched_ones_are_not_counted(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"lr": rng.uniform(0, 1, 40), "decay": rng.uniform(0, 1, 40), "acc": rng.uniform(0.5, 0.9, 40)}
    )
    frame.to_csv(tmp_path / "search.csv", index=False)
    known = understand(read_runs(str(tmp_path / "search.csv"), None))
    assert known.mapping["design"] == "adaptive" and known.questions == []
    for design, column in (("adaptive", "search"), ("random", "sobol")):
        runs = read_runs(str(tmp_path / "search.csv"), None)
        table, _ = runs_table(runs, RunsMapping.model_validate(known.mapping | {"design": design}))
        assert ("no curve, verdict" in facts_of(table).description) == (design == "adaptive")
        assert set(table.design) == {column} and not any(sweep_of(table, "search", n) for n in ("lr", "decay"))


def test_a_grid_gives_curves_through_the_default(tmp_path):
    rows = [{"a": a, "b": b, "seed": s, "acc": 0.5 + 0.01 * a} for a in (0, 1, 2) for b in (0, 1) for s in range(5)]
    pd.DataFrame(rows).to_csv(tmp_path / "grid.csv", index=False)
    known = understand(read_runs(str(tmp_path / "grid.csv"), None))
    assert (
        known.mapping["design"] == "grid" and len(known.questions) == 2
    )  # every level is as frequent: which is default?
    runs = read_runs(str(tmp_path / "grid.csv"), None)
    table, _ = runs_table(runs, RunsMapping.model_validate(known.mapping | {"hyperparameters": {"a": 1, "b": 0}}))
    sweep = sweep_of(table, "grid", "a")
    assert sweep.levels == [0, 1, 2] and np.allclose(sweep.differences_LS.mean(1), [-0.01, 0, 0.01])


@pytest.mark.parametrize(
    ("change", "question"),
    [
        ({"metric": "test_flops"}, "metrics: no column looks like a score"),
        ({"metric": "test_loss_score"}, "metrics.loss_score.better: higher or lower"),
        ({"metric": "test_acc", "val_f1": 0.4}, "metric: which of acc, f1 is judged first"),
    ],
)
def test_what_could_change_a_verdict_is_asked(tmp_path, capsys, change, question):
    path = plain_runs(tmp_path / "t.csv", **change)
    assert main(["report", "--runs", str(path), "-o", str(tmp_path / "page.html")]) == EXIT_BAD_INPUT
    assert question in capsys.readouterr().err and not (tmp_path / "page.html").exists()


def test_a_metric_outside_0_to_1_asks_for_its_margin(tmp_path):
    frame = pd.read_csv(plain_runs(tmp_path / "t.csv", metric="rmse"))
    frame.assign(rmse=frame.rmse * 1000).to_csv(tmp_path / "t.csv", index=False)
    (question,) = understand(read_runs(str(tmp_path / "t.csv"), None)).questions
    assert question.startswith("margin: how much of rmse may be lost")


def test_explain_prints_a_mapping_that_makes_the_page(tmp_path, capsys):
    path = plain_runs(tmp_path / "t.csv", val_f1=0.4)
    assert main(["report", "--runs", str(path), "--explain"]) == 0
    text = capsys.readouterr().out
    assert "# settle this: metric: which of" in text
    (tmp_path / "runs.yaml").write_text(yaml.safe_dump(yaml.safe_load(text) | {"metric": "acc"}))
    words = ["report", "--runs", str(path), "--mapping", str(tmp_path / "runs.yaml"), "-o", str(tmp_path / "page.html")]
    assert main(words) == 0
    page = (tmp_path / "page.html").read_text()
    assert "were not trained by evenkeel" in page and "noise of test images is not known" in page
    assert "fixed before the run" not in page and "averaged over images and classes" not in page


def test_failed_running_and_broken_runs_keep_their_states(tmp_path):
    """As W&B's export of its runs table writes states; a finished run whose score is no number diverged."""
    frame = pd.read_csv(plain_runs(tmp_path / "t.csv")).assign(State="finished")
    frame.loc[0, "State"], frame.loc[1, "State"], frame.loc[2, "test_acc"] = "crashed", "running", np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    runs = read_runs(str(tmp_path / "t.csv"), None)
    table, _ = runs_table(runs, RunsMapping.model_validate(understand(runs).mapping))
    assert table.state.value_counts().to_dict() == {"done": 45, "failed": 1, "censored": 1, "diverged": 1}


def test_a_history_of_wandb_counts_as_the_last_values_of_its_runs(tmp_path):
    """As `run.history()` gives it, joined over runs: scores are logged at other steps and leave blanks."""
    runs = pd.read_csv(plain_runs(tmp_path / "t.csv", drop=0.1))
    runs.insert(0, "run_id", [f"r{i}" for i in range(len(runs))])
    first = runs.assign(_step=0, test_acc=0.1, epoch_loss=2.0)
    last = runs.assign(_step=9, epoch_loss=None)
    pd.concat([last, first]).to_csv(tmp_path / "history.csv", index=False)
    read = read_runs(str(tmp_path / "history.csv"), None)
    assert np.allclose(read.frame.test_acc, runs.test_acc) and set(read.frame.epoch_loss) == {2.0}
    assert "96 steps of 48 runs (column run_id)" in understand(read).lines[0]
    assert judged(tmp_path / "history.csv", metric="acc") == judged(tmp_path / "t.csv")
    runs.assign(_step=range(len(runs)), run_id="net").to_csv(tmp_path / "table.csv", index=False)
    assert len(read_runs(str(tmp_path / "table.csv"), None).frame) == len(runs), "a name of several seeds is no run"


def test_the_export_of_a_wandb_chart_is_read_by_the_names_of_its_runs(tmp_path):
    runs = pd.read_csv(plain_runs(tmp_path / "t.csv", drop=0.1)).query("optimizer == 'sgd'")
    names = [f"lr={row.lr}-decay={row.decay}-seed={row.seed}" for row in runs.itertuples()]
    chart = {"Step": [0, 1]}
    for name, score in zip(names, runs.test_acc, strict=True):
        chart |= {f"{name} - {key}": [0.1, score] for key in ("test_acc", "test_acc__MIN", "test_acc__MAX")}
    pd.DataFrame(chart).to_csv(tmp_path / "chart.csv", index=False)
    verdicts = {key[1]: verdict for key, verdict in judged(tmp_path / "chart.csv").items()}
    assert verdicts == {key[1]: v for key, v in judged(tmp_path / "t.csv").items() if key[0] == "sgd"}
    pd.DataFrame({"Step": [0, 1], "lilac-1 - acc": [0.1, 0.2]}).to_csv(tmp_path / "chart.csv", index=False)
    with pytest.raises(UserError, match="say no settings; export the table of runs"):
        read_runs(str(tmp_path / "chart.csv"), None)


@pytest.mark.parametrize("search", ["grid", "random"])
def test_the_cv_results_of_a_scikit_learn_search_are_read_fold_by_fold(tmp_path, search):
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV

    space = {"C": [0.01, 0.1, 1.0], "fit_intercept": [True, False]}
    kind = GridSearchCV if search == "grid" else lambda *w, **k: RandomizedSearchCV(*w, **k, n_iter=4, random_state=0)
    done = kind(LogisticRegression(max_iter=500), space, cv=5).fit(*load_iris(return_X_y=True))
    pd.DataFrame(done.cv_results_).to_csv(tmp_path / "cv.csv")
    runs = read_runs(str(tmp_path / "cv.csv"), None)
    known = understand(runs)
    assert known.mapping["seed"] == "fold" and known.mapping["metric"] == "score" and "on 5 folds" in known.lines[0]
    defaults = {"hyperparameters": {"C": 1.0, "fit_intercept": True}}
    table, _ = runs_table(runs, RunsMapping.model_validate(known.mapping | defaults | {"design": "grid"}))
    means = table.groupby(["hp.C", "hp.fit_intercept"]).test_score.mean()
    for setting, mean in zip(done.cv_results_["params"], done.cv_results_["mean_test_score"], strict=True):
        assert means[setting["C"], setting["fit_intercept"]] == pytest.approx(mean)
    train, test = next(KFold(5).split(np.zeros(150)))
    assert facts_of(table).shared == len(test) / len(train)  # Nadeau and Bengio 2003


def test_the_folds_of_a_repeated_cross_validation_are_asked_for_and_widen_its_intervals(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for depth in (2, 4, 8):
        scores = {f"split{i}_test_score": x for i, x in enumerate(rng.normal(0.8, 0.02, 20))}
        rows.append({"param_depth": depth, "params": str({"depth": depth})} | scores)
    pd.DataFrame(rows).to_csv(tmp_path / "cv.csv")
    runs = read_runs(str(tmp_path / "cv.csv"), None)
    known = understand(runs)
    assert known.mapping["folds"] == 20 and any(line.startswith("folds: into how many") for line in known.questions)
    widths = []
    for folds in (None, 5):
        settled = {"folds": folds, "hyperparameters": {"depth": 4}, "design": "sweep"}
        table, _ = runs_table(runs, RunsMapping.model_validate(known.mapping | settled))
        (row,) = verdict_frame(table, "score").to_dict("records")
        widths.append(row["high"] - row["low"])
        assert ("train rows and test images only" in rests_on(table)) == (folds is None)
    assert widths[1] / widths[0] == pytest.approx(((1 / 20 + 1 / 4) / (1 / 20)) ** 0.5)  # test rows by train rows: 1/4


def test_a_search_of_two_models_is_asked_for_no_default(tmp_path):
    """As an Optuna study with a choice of models leaves it: whole numbers come twice by chance."""
    rows = [{"kind": "forest", "depth": d, "leaf": d % 3, "score": 0.5 + d / 99} for d in (2, 2, 5, 5, 7)]
    rows += [{"kind": "svc", "c": c, "gamma": 1 / c, "score": 0.6} for c in np.linspace(0.1, 2, 20)]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    known = understand(read_runs(str(tmp_path / "runs.csv"), None))
    assert known.mapping["design"] == "adaptive" and known.questions == []


def test_repeated_runs_count_once_and_missing_seeds_are_numbered(tmp_path):
    frame = pd.read_csv(plain_runs(tmp_path / "t.csv"))
    pd.concat([frame, frame.iloc[:3]]).to_csv(tmp_path / "twice.csv", index=False)
    runs = read_runs(str(tmp_path / "twice.csv"), None)
    table, notes = runs_table(runs, RunsMapping.model_validate(understand(runs).mapping))
    assert len(table) == len(frame) and "3 runs repeat" in notes[0]
    frame.drop(columns="seed").to_csv(tmp_path / "seedless.csv", index=False)
    runs = read_runs(str(tmp_path / "seedless.csv"), None)
    table, notes = runs_table(runs, RunsMapping.model_validate(understand(runs).mapping))
    assert set(table.seed) == set(range(6)) and "pairs of them share nothing" in notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrc: acc", "unknown key 'metrc'; did you mean 'metric'"),
        ("metric: f1", "metric: 'f1' is none of metrics"),
        ("seed: sed", "no column 'sed'; there are optimizer, lr"),
        ("margin: -1", "margin"),
        ("design: null", "give design, or design_column"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_mapping_is_named(tmp_path, text, message):
    path = plain_runs(tmp_path / "t.csv")
    runs = read_runs(str(path), None)
    (tmp_path / "runs.yaml").write_text(
        text if text.endswith("[") else yaml.safe_dump(understand(runs).mapping | yaml.safe_load(text))
    )
    with pytest.raises(UserError, match=message):
        runs_table(runs, read_mapping(tmp_path / "runs.yaml"))


def test_the_mapping_of_the_page_is_valid():
    page = (Path(__file__).parent.parent / "docs" / "runs_of_others.md").read_text()
    mapping = RunsMapping.model_validate(yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0]))
    assert (mapping.default("lr", "adam"), mapping.default("decay", "sgd")) == (0.001, 0.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "no such file or folder; an MLflow experiment is written as mlflow:NAME"),
        ("empty.csv", "a,b\n", "the table has no rows"),
        ("broken.parquet", "a,b\n", "no table of CSV or Parquet"),
        ("other.db", "not a database", "no Optuna storage, it has no table studies, trials"),
    ],
)
def test_a_source_that_is_none_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_runs(str(tmp_path / name), None)
    if content is not None:
        assert (tmp_path / name).read_text() == content  # what is not ours stays as it is


@pytest.mark.parametrize("words", [["report"], ["report", "demo", "--runs", "x.csv"], ["report", "--runs", "x.csv"]])
def test_report_wants_a_study_or_runs(words, capsys):
    assert main(words) == EXIT_BAD_INPUT and capsys.readouterr().err.startswith("evenkeel: report")


def objective(trial: optuna.Trial) -> float:
    return (trial.suggest_float("x", -1, 1) - 0.3) ** 2 + trial.suggest_int("n", 0, 2)


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_an_optuna_study_of_somebody_else_is_read(tmp_path, name):
    journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / name))
    storage = optuna.storages.JournalStorage(journal) if name.endswith("log") else f"sqlite:///{tmp_path / name}"
    study = optuna.create_study(storage=storage, study_name="mine", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=12)
    runs = read_runs(str(tmp_path / name), None)
    known = understand(runs)
    assert known.mapping["metrics"] == {"value": {"column": "value", "validation": None, "better": "lower"}}
    table, _ = runs_table(runs, RunsMapping.model_validate(known.mapping))
    assert set(table.design) == {"search"} and sorted(table.test_value) == pytest.approx(
        sorted(t.value for t in study.trials)
    )
    assert set(facts_of(table).losses["mine"].space) == {"x", "n"}


def test_a_ray_tune_folder_is_read(tmp_path):
    """Laid out as Ray Tune 2 does; tests/test_ray_results.py reads what a real run of it wrote."""
    for number, row in enumerate(pd.read_csv(plain_runs(tmp_path / "t.csv")).to_dict("records")):
        trial = tmp_path / "results" / f"train_{number:05d}"
        trial.mkdir(parents=True)
        params = {name: row[name] for name in ("optimizer", "lr", "seed")} | {"opt": {"decay": row["decay"]}}
        scores = enumerate((0.1, row["test_acc"]))
        lines = [{"test_acc": score, "training_iteration": k, "step": 5, "config": params} for k, score in scores]
        (trial / "params.json").write_text(json.dumps(params))
        (trial / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "results" / "train_00000" / "error.txt").touch()
    runs = read_runs(str(tmp_path / "results"), None)
    known = understand(runs)
    assert known.questions == [] and known.mapping["hyperparameters"] == {"lr": 0.1, "opt/decay": 0.0}
    assert set(known.mapping["metrics"]) == {"acc"} and runs.states.count("failed") == 1
    assert runs.frame.test_acc.min() > 0.5
