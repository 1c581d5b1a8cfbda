"""MLflow's own pages in a real browser, over a real server: what a person finds there."""

import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmarks.servers import MlflowServer
from evenkeel.study.file.locations import own_database_uri
from evenkeel.study.tracking.experiment import TRAINING, make_experiment_tags, make_links
from evenkeel.study.tracking.messages import Attach, Summary
from evenkeel.study.tracking.tags import KIND
from tests.test_ledger import record
from tests.test_report_browser import BROWSER
from tests.test_tracking import ABOUT, START, connect

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--window-size=1500,1500", "--virtual-time-budget=40000"]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two done trials, one that moved, and one that diverged, as a run fills them."""
    folder = tmp_path_factory.mktemp("mlflow")
    filler, _ = connect_filler(folder)
    filler.start(START)
    moved = replace(record(seed=0).trial, moved="clip")
    for item in (replace(record(seed=0), trial=moved), record(seed=1), record("diverged", seed=2, note="not finite")):
        filler.fill(replace(item, metrics={"test_f1": 0.5, "val_map": 0.25}, curves={"train_loss": [0.5, 0.4]}))
    filler.summarize({"ral": Summary({"default/score": 0.75, "worst_drop/clip": -0.125}, {"verdict/clip": "steady"})})
    (folder / "papers").mkdir()
    (folder / "papers" / "report.html").write_text("<p>the report</p>")
    (folder / "papers" / "study.yaml").write_text("name: tiny")
    filler.attach(Attach(folder / "papers"))
    filler.close()
    assert filler.retry() == 0
    return folder


def connect_filler(folder):
    from evenkeel.study.tracking.run_writer import RunWriter

    return connect(RunWriter, folder)


@pytest.fixture(scope="module")
def server(folder):
    """The address of MLflow's server over it."""
    with MlflowServer(own_database_uri(folder), folder) as server:
        yield server.uri


@pytest.fixture
def seen(server, tmp_path):
    """The text of a page, by the end of its address."""

    def see(place: str) -> str:
        command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", server + place]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
        shutil.rmtree(tmp_path / "profile", ignore_errors=True)
        body = re.sub(r"<(script|style)\b.*?</\1>", "", dom, flags=re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    return see


def place_of(folder: Path, run: str) -> str:
    client = MlflowClient(own_database_uri(folder))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    (found,) = client.search_runs([experiment], f"attributes.run_name = '{run}'")
    return f"/#/experiments/{experiment}/runs/{found.info.run_id}?{TRAINING}"


def test_the_experiment_opens_as_model_training_with_its_parents(folder, seen):
    text = seen(f"/#/experiments/1?{TRAINING}")
    assert "how steady is a loss when its hyperparameters move?" in text
    assert "Model registry" in text and "Judges" not in text
    assert "ral" in text and "5 matching runs" in text


def test_the_report_is_read_in_the_run_of_the_study(folder, seen):
    place = place_of(folder, "tiny: report").replace("?", "/artifacts/report.html?")
    text = seen(place)
    assert "study.yaml" in text and "Path:" in text and "artifacts/report.html" in text


def test_a_link_of_the_description_shows_charts_in_sections(folder, seen):
    description = MlflowClient(own_database_uri(folder)).get_experiment_by_name("tiny").tags["mlflow.note.content"]
    (place,) = re.findall(r"\[clip, moved from its default\]\((.*?)\)", description)
    text = seen(f"/{place}")
    assert "ral, clip 0.05, seed 0" in text and "seed 1" not in text
    assert all(f"{section} (" in text for section in ("curve", "test", "val"))


def test_losses_stay_one_click_away_however_many_trials_are_newer(server, folder, seen):
    """MLflow's first page holds the newest hundred runs; trials that came after the losses fill it."""
    client = MlflowClient(own_database_uri(folder))
    experiment = client.create_experiment("long", tags=make_experiment_tags(ABOUT, "2"))
    losses = [client.create_run(experiment, run_name=f"loss {i}", start_time=i, tags={KIND: "loss"}) for i in range(5)]
    parent = {"mlflow.parentRunId": losses[0].info.run_id, KIND: "trial"}
    for number in range(150):
        client.create_run(experiment, run_name=f"trial {number}", start_time=1000 + number, tags=parent)
    first = seen(f"/#/experiments/{experiment}/runs?{TRAINING}")
    assert "how steady is a loss" in first and "the losses, with their verdicts" in first
    place = next(iter(make_links(ABOUT).values()))
    there = seen(f"/#/experiments/{experiment}{place}")
    assert all(f"loss {i}" in there for i in range(5)) and "trial 1" not in there


def test_a_parent_shows_its_summary(folder, seen):
    text = seen(place_of(folder, "ral"))
    assert "verdict/clip : steady" in text and "the text of ral" in text
    assert "default/score" in text and "0.75" in text and "trials/planned" in text


def test_a_child_shows_what_moved_its_data_and_why_it_diverged(folder, seen):
    text = seen(place_of(folder, "ral, clip 0.05, seed 0"))
    assert "moved : clip" in text and "digits-mlt" in text and "test/f1" in text and "hill_lambda" in text
    assert "not finite" in seen(place_of(folder, "ral, default, seed 2"))
