"""A whole study of a training function: states, curves, a search, resuming, changed code, MLflow and the page."""

import subprocess
import sys

import pytest

from evenkeel.reports.text.wording import of_methods
from evenkeel.study.records.ledger import Ledger

TRAIN = """
def train(seed, report, checkpoint_dir, rate=0.5, epochs=4):
    kept = checkpoint_dir / "epoch.txt"
    for epoch in range(int(kept.read_text()) if kept.exists() else 0, epochs):
        report(epoch, train_loss=1 / (epoch + 1), val_accuracy=0.5 + 0.1 * rate)
        kept.write_text(str(epoch + 1))
    if rate > 0.95 and seed == 1:
        raise ValueError("a rate that high breaks")
    score = float("nan") if rate > 0.95 and seed == 2 else 0.5 + 0.1 * rate + 0.001 * seed
    return {split: {"accuracy": score, "cost": 2 - rate} for split in ("val", "test")}
"""
STUDY = """
name: whole
trainable: {name: "train.py:train"}
spaces: {rate: {low: 0.0, high: 1.0}}
designs: {sweep: {levels: 3}, search: {trials: 4, batch: 2, fresh_seeds: 2}}
seeds: 5
metric: cost
margin: 0.1
measures: [{name: cost, better: lower}]
"""


def evenkeel(folder, *words, code=0):
    command = [sys.executable, "-m", "evenkeel", words[0], "study.yaml", *words[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=["--serial", pytest.param("--workers=2", marks=pytest.mark.slow)])
def finished(request, tmp_path_factory):
    """The folder of a study that has run; one trial of it failed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "train.py").write_text(TRAIN)
    (folder / "study.yaml").write_text(STUDY)
    assert "a rate that high breaks" in evenkeel(folder, "run", request.param, code=1)
    return folder


def records_of(folder):
    return list(Ledger(str(folder / "studies" / "whole"), "whole").read_all().values())


def test_each_trial_is_recorded_as_it_ended(finished):
    records = records_of(finished)
    states = {(r.state, r.trial.seed) for r in records if r.trial.moved == "rate" and r.trial.setting["rate"] == 1}
    assert states == {("done", 0), ("failed", 1), ("diverged", 2), ("done", 3), ("done", 4)}
    done = [record for record in records if record.state == "done"]
    assert all(record.epochs_done == 4 and len(record.curves["val_accuracy"]) == 4 for record in done)
    left = {path.name for path in (finished / "studies" / "whole" / "working").iterdir()}
    assert left <= {record.id for record in records if record.state == "failed"}


def test_the_winner_of_the_search_is_the_cheapest(finished):
    records = records_of(finished)
    searched = {r.trial.setting.get("rate", 0.5): r.metrics["val_cost"] for r in records if r.trial.design == "search"}
    (winner,) = {r.trial.setting["rate"] for r in records if r.trial.design == "confirm" and r.trial.group is not None}
    assert winner == min(searched, key=searched.get)


def test_nothing_runs_again_and_changed_code_is_refused(finished):
    assert "24 done" not in (said := evenkeel(finished, "run", "--serial", code=1)) and "nothing was missing" in said
    path = finished / "train.py"
    path.write_text(TRAIN + "# a word\n")
    assert "nothing was missing" in evenkeel(finished, "run", "--serial", code=1)
    path.write_text(TRAIN.replace("0.001", "0.002"))
    assert "the code of train.py:train" in evenkeel(finished, "run", "--serial", code=2)
    path.write_text(TRAIN)


def test_the_page_is_the_same_from_mlflow_and_judges_by_cost(finished):
    evenkeel(finished, "report", "-o", "ledger.html")
    evenkeel(finished, "report", "--from-mlflow", "-o", "mlflow.html")
    page = (finished / "ledger.html").read_text()
    assert page == (finished / "mlflow.html").read_text()
    assert "below 0 is worse" in page and "is sensitive in rate" in page
    assert "Which method is steadiest" in page and "Which loss" not in page and "averaged over images" not in page


@pytest.mark.parametrize(
    ("text", "worded"),
    [
        ("A loss loses less than two losses.", "A method loses less than two methods."),
        ("Score of each loss at its published defaults: log loss", "Score of each method at its defaults: log loss"),
        ("The train_loss of loss-of-mine, of every loss", "The train_loss of loss-of-mine, of every method"),
    ],
)
def test_a_loss_in_a_name_of_the_study_stays_one(text, worded):
    assert of_methods(text, ["log loss", "loss-of-mine", "rate"]) == worded
    assert "loss" in of_methods("this loss", ["loss"])
