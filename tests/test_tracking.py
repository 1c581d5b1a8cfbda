"""MLflow with a real database: filled from the ledger, once, whatever was interrupted."""

import socket
from pathlib import Path

import pytest
from mlflow import MlflowClient

from study.run.places import own_database
from study.tracking.driver import Tracker
from study.tracking.filler import Filler
from study.tracking.messages import Setup
from study.tracking.read import read_experiment
from study.tracking.tags import study_tags
from tests.test_ledger import record

STUDY = {"name": "tiny", "losses": {"ral": {}}, "long": "x" * 9000}


def connect(kind: type, folder: Path, uri: str | None = None) -> tuple[Tracker | Filler, list[str]]:
    said: list[str] = []
    database = None if uri else folder / "mlflow.db"
    setup = Setup(uri or own_database(folder), "tiny", database, str(folder / "artifacts"), folder)
    return kind(setup, said.append), said


def fill(folder, records, *, backlog=(), retired=frozenset()):
    """Through the process that fills MLflow, as a run does."""
    tracker, said = connect(Tracker, folder)
    with tracker:
        tracker.start(STUDY, list(backlog), set(retired))
        for item in records:
            tracker.submit(item)
        assert tracker.finish() == 0 and said == []


def runs(folder):
    client = MlflowClient(own_database(folder))
    experiment = client.get_experiment_by_name("tiny")
    return client, client.search_runs([experiment.experiment_id], "tags.`evenkeel.kind` = 'trial'")


@pytest.fixture(scope="module")
def records():
    curves = {"train_loss": [0.5, 0.4, None], "val_f1": [0.1, 0.2, 0.3]}
    return [
        record(seed=0, curves=curves, metrics={"test_f1": 0.25, "test_map": None}),
        record("diverged", seed=1, note="not finite"),
        record("failed", seed=2, metrics={}, note="Traceback: it broke"),
    ]


def test_each_trial_is_one_closed_child_of_its_loss(tmp_path, records):
    fill(tmp_path, records[:2], backlog=records[2:])
    client, found = runs(tmp_path)
    assert {r.data.tags["evenkeel.trial_id"]: r.info.status for r in found} == {
        records[0].id: "FINISHED",
        records[1].id: "FINISHED",
        records[2].id: "FAILED",
    }
    (parent,) = {r.data.tags["mlflow.parentRunId"] for r in found}
    assert client.get_run(parent).info.status == "FINISHED"
    first = next(r for r in found if r.data.tags["evenkeel.trial_id"] == records[0].id)
    assert first.data.metrics["test_f1"] == 0.25 and "test_map" not in first.data.metrics
    assert first.data.params["gamma_neg"] == "4.0"
    curve = client.get_metric_history(first.info.run_id, "curve_train_loss")
    assert [(m.step, m.value) for m in curve] == [(1, 0.5), (2, 0.4)]


def test_filling_again_changes_nothing(tmp_path, records):
    fill(tmp_path, records)
    before = {r.info.run_id: r.data.metrics for r in runs(tmp_path)[1]}
    fill(tmp_path, records, backlog=records)
    assert {r.info.run_id: r.data.metrics for r in runs(tmp_path)[1]} == before


def test_a_half_written_run_is_completed_not_doubled(tmp_path, records):
    fill(tmp_path, [])
    client = MlflowClient(own_database(tmp_path))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    tags = {"evenkeel.kind": "trial", "evenkeel.trial_id": records[0].id}
    client.create_run(experiment, tags=tags)
    fill(tmp_path, [], backlog=records[:1])
    (run,) = runs(tmp_path)[1]
    assert run.info.status == "FINISHED" and run.data.tags["evenkeel.state"] == "done"


def test_a_trial_that_runs_is_shown_and_then_completed(tmp_path, records):
    tracker, said = connect(Tracker, tmp_path)
    trials = [item.trial for item in records]
    with tracker:
        tracker.start(STUDY, [], set())
        tracker.announce(trials[:2])
        tracker.announce(trials[:1])  # handed out again
        assert tracker.finish() == 0 and said == []
    assert [r.info.status for r in runs(tmp_path)[1]] == ["RUNNING"] * 2
    assert read_experiment(own_database(tmp_path), "tiny")[1] == []
    fill(tmp_path, records)
    assert sorted(r.info.status for r in runs(tmp_path)[1]) == ["FAILED", "FINISHED", "FINISHED"]


def test_a_failed_trial_that_was_repeated_becomes_done(tmp_path, records):
    fill(tmp_path, [record("failed", seed=0, metrics={})])
    fill(tmp_path, [records[0]])
    (run,) = runs(tmp_path)[1]
    assert run.info.status == "FINISHED" and run.data.metrics["test_f1"] == 0.25


def test_retired_trials_leave(tmp_path, records):
    fill(tmp_path, records)
    fill(tmp_path, [], backlog=records[1:], retired={records[0].id})
    assert len(runs(tmp_path)[1]) == 2


def test_an_outage_is_said_once_and_caught_up(tmp_path, records, monkeypatch):
    filler, said = connect(Filler, tmp_path)
    working = Filler._log
    broken = {"down": True}

    def log(self, item):
        if broken["down"]:
            raise ConnectionError("no route")
        working(self, item)

    monkeypatch.setattr(Filler, "_log", log)
    filler.start(STUDY, set())
    for item in records:
        filler.fill(item)
    assert filler.finish() == 3 and said == ["no route", "no route"]
    broken["down"] = False
    fill(tmp_path, [], backlog=records)
    assert len(runs(tmp_path)[1]) == 3


def test_a_filling_process_that_dies_is_said_and_caught_up(tmp_path, records):
    tracker, said = connect(Tracker, tmp_path)
    with tracker:
        tracker.start(STUDY, records[:1], set())
        tracker.process.kill()
        tracker.process.wait()
        tracker.submit(records[1])
        assert tracker.finish() == 2 and said == ["its process ended"]
    fill(tmp_path, [], backlog=records)
    assert len(runs(tmp_path)[1]) == 3


def test_a_server_that_does_not_answer_is_noticed(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tracker, _ = connect(Tracker, tmp_path, f"http://127.0.0.1:{port}")
    with tracker:
        assert tracker.check()


def test_a_long_study_comes_back_whole(tmp_path, records):
    fill(tmp_path, records)
    study, found = read_experiment(own_database(tmp_path), "tiny")
    assert study == STUDY and len(found) == 3
    assert all(len(value) <= 5000 for value in study_tags(STUDY).values())
    with pytest.raises(LookupError, match="no MLflow experiment 'other'"):
        read_experiment(own_database(tmp_path), "other")
