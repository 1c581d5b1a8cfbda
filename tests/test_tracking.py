"""MLflow with a real database: filled from the ledger, once, whatever was interrupted."""

import json
import queue
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmarks.servers import free_port
from evenkeel.study.file.locations import own_database_uri
from evenkeel.study.records.table import make_row
from evenkeel.study.tracking.artifacts import log_data_set
from evenkeel.study.tracking.database import client, make_database
from evenkeel.study.tracking.message_queue import MessageQueue
from evenkeel.study.tracking.messages import Attach, Notice, OpenExperiment, Outage, Setup, StudyDescription
from evenkeel.study.tracking.reader import read_experiment
from evenkeel.study.tracking.run_writer import FIRST_PAUSE_S, RunWriter
from evenkeel.study.tracking.study_runs import StudyRuns
from evenkeel.study.tracking.tags import make_trial_tags, read_record, split_into_tags
from evenkeel.study.tracking.tracker import Tracker
from tests.test_ledger import record

FACTS = {"name": "tiny", "losses": {"ral": {}}, "long": "x" * 9000}
ABOUT = StudyDescription(
    "tiny", "a study", "digits-mlt", "f1", [0, 1, 2], {"ral": "the text of ral"}, ["clip"], {"ral": 3}
)
START = OpenExperiment("0123456789abcdef", ABOUT, FACTS)


def setup_of(folder: Path, uri: str | None = None, study: str = "tiny") -> Setup:
    database = None if uri else folder / "mlflow.db"
    return Setup(uri or own_database_uri(folder), study, database, str(folder / "artifacts"), folder)


def connect(
    kind: type, folder: Path, uri: str | None = None, study: str = "tiny"
) -> tuple[Tracker | RunWriter, list[str]]:
    """One that fills, in processes of its own or in this one, and what it says."""
    said: list[str] = []
    on_message = lambda answer: said.append(answer.text) if isinstance(answer, Outage | Notice) else None  # noqa: E731
    return kind(setup_of(folder, uri, study), *([on_message] if kind is RunWriter else [said.append] * 2)), said


def fill(folder, records, *, backlog=(), start=START, expected=(), uri=None, num_trials=0):
    """Through the process that fills MLflow, as a run does."""
    tracker, said = connect(Tracker, folder, uri)
    with tracker:
        tracker.start(start, list(backlog), num_trials)
        for item in records:
            tracker.submit(item)
        assert tracker.finish() == 0 and said == list(expected)


def filled(folder, records, start=START, study="tiny", uri=None):
    """In this process; returns what was said."""
    filler, said = connect(RunWriter, folder, uri, study)
    filler.start(start)
    for item in records:
        filler.fill(item)
    filler.close()
    assert filler.retry() == 0
    return said


def runs(folder, experiment="tiny", uri=None):
    client = MlflowClient(uri or own_database_uri(folder))
    found = client.get_experiment_by_name(experiment)
    return client, client.search_runs([found.experiment_id], "tags.`evenkeel.kind` = 'trial'")


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
        records[1].id: "KILLED",
        records[2].id: "FAILED",
    }
    (parent,) = {r.data.tags["mlflow.parentRunId"] for r in found}
    assert client.get_run(parent).info.status == "FINISHED"
    first = next(r for r in found if r.data.tags["evenkeel.trial_id"] == records[0].id)
    assert first.data.metrics["test/f1"] == 0.25 and "test/map" not in first.data.metrics
    assert first.data.params["gamma_neg"] == "4.0"
    curve = client.get_metric_history(first.info.run_id, "curve/train_loss")
    assert [(m.step, m.value) for m in curve] == [(1, 0.5), (2, 0.4)]


def test_filling_again_changes_nothing(tmp_path, records):
    filled(tmp_path, records)
    before = {r.info.run_id: r.data.metrics for r in runs(tmp_path)[1]}
    filled(tmp_path, [*records, *records])
    assert {r.info.run_id: r.data.metrics for r in runs(tmp_path)[1]} == before


def test_a_folder_whose_name_ends_an_address_has_no_other_beside_it(tmp_path):
    names = ["a?b", "a#b c", "100%/d%41", "a%3Fb"]
    for name in names:
        folder = tmp_path / "studies" / name
        folder.mkdir(parents=True)
        make_database(folder / "mlflow.db", tmp_path / "templates")
        client(own_database_uri(folder)).search_experiments(max_results=1)
    assert {path.name for path in (tmp_path / "studies").iterdir()} == {name.partition("/")[0] for name in names}


def test_the_log_of_a_removed_database_is_not_played_into_the_new_one(tmp_path):
    """A process that is killed leaves a write-ahead log beside the database."""
    database = tmp_path / "mlflow.db"
    make_database(database, tmp_path / "templates")
    insert = "insert into experiments (name, lifecycle_stage) values ('ghost', 'active')"
    code = f"import os, sqlite3; c = sqlite3.connect({str(database)!r}); c.execute({insert!r}); c.commit(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert database.with_name("mlflow.db-wal").stat().st_size
    database.unlink()
    make_database(database, tmp_path / "templates")
    with sqlite3.connect(database) as connection:
        assert connection.execute("select name from experiments").fetchall() == [("Default",)]


def test_a_half_written_run_is_completed_not_doubled(tmp_path, records):
    filled(tmp_path, [])
    client = MlflowClient(own_database_uri(tmp_path))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    tags = make_trial_tags(records[0].trial)
    client.create_run(experiment, tags=tags)
    filled(tmp_path, records[:1])
    (run,) = runs(tmp_path)[1]
    assert run.info.status == "FINISHED" and run.data.tags["state"] == "done"


def test_a_trial_that_runs_is_shown_and_then_completed(tmp_path, records):
    tracker, said = connect(Tracker, tmp_path)
    trials = [item.trial for item in records]
    with tracker:
        tracker.start(START, [], 0)
        tracker.announce(trials[:2])
        tracker.announce(trials[:1])  # handed out again
        assert tracker.finish() == 0 and said == []
    assert [r.info.status for r in runs(tmp_path)[1]] == ["RUNNING"] * 2
    assert read_experiment(own_database_uri(tmp_path), "tiny", None)[1] == {}
    fill(tmp_path, records)
    assert sorted(r.info.status for r in runs(tmp_path)[1]) == ["FAILED", "FINISHED", "KILLED"]


def test_a_failed_trial_that_was_repeated_becomes_done(tmp_path, records):
    filled(tmp_path, [record("failed", seed=0, metrics={}, note="it broke")])
    filled(tmp_path, [records[0]])
    (run,) = runs(tmp_path)[1]
    assert run.info.status == "FINISHED" and run.data.metrics["test/f1"] == 0.25
    assert not run.data.tags["mlflow.note.content"]
    assert read_experiment(own_database_uri(tmp_path), "tiny", None)[1][records[0].id].note is None


def test_retired_trials_leave(tmp_path, records):
    filled(tmp_path, records)
    filled(tmp_path, records[1:], start=replace(START, retired=[records[0].id]))
    assert len(runs(tmp_path)[1]) == 2


def test_an_outage_is_said_once_and_caught_up(tmp_path, records, monkeypatch):
    filler, said = connect(RunWriter, tmp_path)
    working = StudyRuns.log
    broken = {"down": True}

    def log(self, item, files):
        if broken["down"]:
            raise ConnectionError("no route")
        return working(self, item, files)

    monkeypatch.setattr(StudyRuns, "log", log)
    filler.start(START)
    for item in records:
        filler.fill(item)
    assert filler.retry(at_once=True) == 3 and said == ["no route"]
    broken["down"] = False
    assert filler.retry() == 3, "too early"
    assert 0 < filler.wait_s() <= 2 * FIRST_PAUSE_S
    assert filler.retry(at_once=True) == 0 and filler.wait_s() is None
    assert len(runs(tmp_path)[1]) == 3


def test_what_a_silent_server_missed_lies_on_disk(tmp_path):
    spool, lines = MessageQueue(tmp_path), [f"{number} \u00e9\n" for number in range(1000)]
    for line in lines:
        spool.put(line)
    assert len(spool) == 1000 and spool.first() == spool.first() == lines[0]
    assert [spool.get(0) for _ in lines] == lines and len(spool) == 0
    with pytest.raises(queue.Empty):
        spool.get(0.01)
    spool.put("again\n")
    assert spool.get() == "again\n" and not list(tmp_path.iterdir())


def test_a_record_that_mlflow_refuses_keeps_no_other_waiting(tmp_path, records):
    odd = record(seed=7, metrics={"test_f1@0.5": 0.5})
    filler, said = connect(RunWriter, tmp_path)
    filler.start(START)
    for item in (odd, *records):
        filler.fill(item)
    assert filler.retry(at_once=True) == 1 and not filler.down
    assert len(said) == 1 and odd.id in said[0] and "@" in said[0]
    assert {run.data.tags["evenkeel.trial_id"] for run in runs(tmp_path)[1]} == {item.id for item in records}


def test_a_filling_process_that_dies_is_said_and_caught_up(tmp_path, records):
    tracker, said = connect(Tracker, tmp_path)
    with tracker:
        tracker.start(START, records[:1], 0)
        tracker.pipes[0].process.kill()
        tracker.pipes[0].process.wait()
        tracker.submit(records[1])
        assert tracker.finish() == 2 and said == ["its process ended"]
    fill(tmp_path, [], backlog=records)
    assert len(runs(tmp_path)[1]) == 3


def test_a_server_that_does_not_answer_is_noticed(tmp_path):
    tracker, _ = connect(Tracker, tmp_path, f"http://127.0.0.1:{free_port()}")
    with tracker:
        assert tracker.check()


def test_a_long_study_comes_back_whole(tmp_path, records):
    filled(tmp_path, records)
    study, found = read_experiment(own_database_uri(tmp_path), "tiny", START.identity)
    assert study == FACTS and len(found) == 3
    assert all(len(value) <= 5000 for value in split_into_tags("facts", FACTS).values())
    with pytest.raises(LookupError, match="no MLflow experiment 'other'"):
        read_experiment(own_database_uri(tmp_path), "other", None)


def test_two_studies_of_one_name_never_mix(tmp_path, records):
    """On a server, which decides about artifacts: each has its own experiment, and is read by its identity."""
    uri = own_database_uri(tmp_path)
    setup = replace(setup_of(tmp_path), artifacts=None)
    other = replace(START, identity="f" * 16)
    for start, mine in ((START, records[:1]), (other, records[1:])):
        filler = RunWriter(setup, print)
        filler.start(start)
        for item in mine:
            filler.fill(item)
    assert set(read_experiment(uri, "tiny", START.identity)[1]) == {records[0].id}
    assert set(read_experiment(uri, "tiny", other.identity)[1]) == {records[1].id, records[2].id}
    assert set(read_experiment(uri, "tiny-ffffff", None)[1]) == {records[1].id, records[2].id}


def test_a_deleted_experiment_is_restored_with_a_word(tmp_path, records):
    filled(tmp_path, records)
    client = MlflowClient(own_database_uri(tmp_path))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    client.delete_experiment(experiment)
    assert filled(tmp_path, []) == ["the experiment 'tiny' had been deleted in MLflow; it is restored"]
    assert len(runs(tmp_path)[1]) == 3
    client.rename_experiment(experiment, "mine now")
    assert filled(tmp_path, records) == [] and len(runs(tmp_path, "mine now")[1]) == 3
    assert len(read_experiment(own_database_uri(tmp_path), "tiny", START.identity)[1]) == 3


def test_of_two_runs_of_one_trial_the_finished_one_stays(tmp_path, records):
    filled(tmp_path, records[:1])
    client, (run,) = runs(tmp_path)
    client.create_run(run.info.experiment_id, tags=make_trial_tags(records[0].trial))
    filled(tmp_path, records[:1])
    assert [found.info.run_id for found in runs(tmp_path)[1]] == [run.info.run_id]


def test_everything_can_be_deleted_and_filled_again_to_the_same(tmp_path, records):
    def content(run):
        return run.info.run_name, run.info.status, run.data.metrics, run.data.params, {
            key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"
        }  # fmt: skip

    filled(tmp_path, records)
    client, found = runs(tmp_path)
    before = sorted(map(content, found), key=str)
    for run in found:
        client.delete_run(run.info.run_id)
    filled(tmp_path, records)
    assert sorted(map(content, runs(tmp_path)[1]), key=str) == before


def test_scores_of_classes_are_shown_where_they_are_wanted_and_not_read_back(tmp_path):
    """Whatever a class is called: MLflow takes few characters, and no name that climbs out of its folder."""
    scored = record(per_class={"test_f1": [0.25, None, 0.5, 0.75]}, metrics={"test_f1": 0.5})
    named = replace(START, about=replace(ABOUT, classes=["a cat", "b", "../c<d>", "\u00e9:%"]))
    assert filled(tmp_path, [scored], named) == []
    ((run,), (other,)) = runs(tmp_path)[1], filled(tmp_path / "not", [scored]) or runs(tmp_path / "not")[1]
    keys = {key: value for key, value in run.data.metrics.items() if key.startswith("per_class/")}
    assert keys == {
        "per_class/test_f1/a cat": 0.25,
        "per_class/test_f1/_._c_d_": 0.5,
        "per_class/test_f1/\u00e9__": 0.75,
    }
    assert not any(key.startswith("per_class/") for key in other.data.metrics)
    assert read_record(run.data.tags, run.data.params, run.data.metrics)[1].metrics == {"test_f1": 0.5}


def test_a_run_says_what_a_person_asks(tmp_path, records):
    moved = replace(records[0].trial, moved="clip", hyperparameters=records[0].trial.hyperparameters | {"clip": 0.1})
    filled(tmp_path, [replace(records[0], trial=moved), *records[1:]])
    found = {run.data.tags["seed"]: run for run in runs(tmp_path)[1]}
    assert found["0"].info.run_name == "ral, clip 0.1, seed 0" and found["0"].data.tags["moved"] == "clip"
    assert found["1"].info.run_name == "ral, default, seed 1"
    assert "not finite" in found["1"].data.tags["mlflow.note.content"] and found["1"].data.tags["state"] == "diverged"
    assert found["0"].data.params["clip"] == "0.1" and found["0"].data.params["focusing"] == "full"
    assert [data.dataset.name for data in found["0"].inputs.dataset_inputs] == ["digits-mlt"]
    shown = {key for key in found["0"].data.tags if not key.startswith(("mlflow.", "evenkeel."))}
    assert shown == {"loss", "design", "seed", "state", "moved"}


def test_the_experiment_says_what_it_is_and_where_to_click(tmp_path, records):
    filled(tmp_path, records)
    experiment = MlflowClient(own_database_uri(tmp_path)).get_experiment_by_name("tiny")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    text = experiment.tags["mlflow.note.content"]
    assert "how steady" in text and "tags.moved" in text
    assert all(f"/experiments/{experiment.experiment_id}/runs?" in line for line in text.splitlines() if "](" in line)


def test_a_filled_database_can_be_copied_alone(tmp_path, records):
    """Without the log beside it, in which sqlite leaves what was written last."""
    fill(tmp_path, records)
    (tmp_path / "copied").mkdir()
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "copied")
    _, found = runs(tmp_path / "copied")
    assert len(found) == len(records)


def test_sqlite_knows_how_its_rows_are_spread(tmp_path, records, monkeypatch):
    """Then it finds the best of many runs by an index; it guesses wrong otherwise."""
    monkeypatch.setattr("evenkeel.study.tracking.study_runs.MANY_RUNS", 2)
    filler, _ = connect(RunWriter, tmp_path)
    filler.start(START)
    for number, item in enumerate(records):
        filler.fill(item)
        filler.summarize({})
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            known = database.execute("select 1 from sqlite_master where name = 'sqlite_stat1'").fetchall()
            assert bool(known) == (number >= 1)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert {"runs", "latest_metrics"} <= {table for (table,) in database.execute("select tbl from sqlite_stat1")}


class TestFiles:
    """The study's and each loss's own, and those beside a record."""

    @pytest.fixture
    def report(self, tmp_path) -> Path:
        (tmp_path / "papers").mkdir()
        (tmp_path / "papers" / "report.html").write_text("the report")
        return tmp_path / "papers"

    def names(self, folder: Path, kind: str) -> dict[str, list[str]]:
        client = MlflowClient(own_database_uri(folder))
        found = client.search_runs(
            [client.get_experiment_by_name("tiny").experiment_id], f"tags.`evenkeel.kind` = '{kind}'"
        )
        return {run.info.run_id: [file.path for file in client.list_artifacts(run.info.run_id)] for run in found}

    def test_of_the_study_are_on_top_and_there_once(self, tmp_path, records, report):
        for item in records[:2]:
            late = replace(item, started=time.time(), ended=time.time())
            with connect(Tracker, tmp_path)[0] as tracker:
                tracker.start(START, [], 0)
                tracker.submit(late)
                tracker.attach([Attach(report), Attach(report, "ral")])
                assert tracker.finish() == 0
                opened = tracker.experiment()
        client = MlflowClient(own_database_uri(tmp_path))
        (experiment,) = client.search_experiments(filter_string="name = 'tiny'")
        assert opened == experiment.experiment_id
        newest = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]
        assert self.names(tmp_path, "study") == {newest.info.run_id: ["report.html"]}
        assert len(list((tmp_path / "artifacts").rglob("report.html"))) == 2, "a former run left its files"
        (parent,) = self.names(tmp_path, "loss").items()
        assert parent[1] == ["report.html"] and parent[0] in newest.data.tags["mlflow.note.content"]

    def test_beside_a_record_come_with_its_run(self, tmp_path, records):
        (tmp_path / "predictions.npz").write_bytes(b"numbers")
        place = (tmp_path / "predictions.npz").as_uri()
        with Tracker(setup_of(tmp_path), print, print, lambda record: [place] if record.files else []) as tracker:
            tracker.start(START, [], 0)
            tracker.submit(replace(records[0], files={"predictions": "predictions.npz"}))
            tracker.submit(records[1])
            assert tracker.finish() == 0
        assert sorted(self.names(tmp_path, "trial").values()) == [[], ["predictions.npz"]]

    def test_without_a_place_for_them_only_a_word_is_said(self, tmp_path, records, report):
        (tmp_path / "closed").write_text("a file is no folder")
        filler, said = connect(RunWriter, tmp_path)
        filler.setup = replace(filler.setup, artifacts=str(tmp_path / "closed" / "below"))
        filler.start(START)
        filler.attach(Attach(report))
        filler.fill(records[0], [(report / "report.html").as_uri()])
        assert filler.retry() == 0 and len(runs(tmp_path)[1]) == 1
        assert len(said) == 1 and said[0].startswith("MLflow shows no files")

    def test_wait_for_a_server_that_is_down(self, tmp_path, report):
        filler, _ = connect(RunWriter, tmp_path)
        filler.start(START)
        filler.down = True
        filler.attach(Attach(report))
        assert not self.names(tmp_path, "study")
        filler.retry(at_once=True)
        assert list(self.names(tmp_path, "study").values()) == [["report.html"]]


def test_what_an_older_version_logged_is_read_and_then_logged_again(tmp_path, records):
    """As 0.2.0 logged: a tag a field, flat metrics, parameters as JSON, the study in pieces of its own."""
    record = replace(records[0], note=None, versions={"torch": "2.13"}, curves={})
    filled(tmp_path, [])
    client = MlflowClient(own_database_uri(tmp_path))
    old = client.create_experiment("old", tags={"evenkeel.study.pieces": "1", "evenkeel.study.00": '{"name": "old"}'})
    fields = {"kind": "trial", "trial_id": record.id, "loss": "ral", "loss_name": "ral", "design": "sweep", "seed": 0,
              "group": "", "state": "done", "host": "h", "wall_s": "0.1", "epochs_done": 1, "loss_path": "", "note": "",
              "versions": "torch 2.13"}  # fmt: skip
    run = client.create_run(old, tags={f"evenkeel.{key}": str(value) for key, value in fields.items()}).info.run_id
    for key, value in record.trial.hyperparameters.items():
        client.log_param(run, key, json.dumps(value))
    client.log_metric(run, "test_f1", 0.25)
    client.log_metric(run, "curve_train_loss", 0.25)
    facts, found = read_experiment(own_database_uri(tmp_path), "old", None)
    assert facts == {"name": "old"} and list(found) == [record.id]
    assert make_row(record.id, replace(found[record.id], metrics=record.metrics)) == make_row(record.id, record)
    assert found[record.id].metrics == {"test_f1": 0.25}
    said = filled(tmp_path, [record], start=replace(START, identity="0" * 16), study="old")
    assert said == ["1 runs of an earlier evenkeel in MLflow are logged again"]
    assert [run.data.metrics["test/f1"] for run in runs(tmp_path, "old")[1]] == [0.25]


def test_a_data_set_that_another_process_logs_at_once_is_logged_to_both_runs(tmp_path):
    """As MLflow answers then: findings/mlflow_same_data_set_at_once.sh sees it with real processes."""
    real, refusals = client(own_database_uri(tmp_path)), ["(sqlite3.IntegrityError) UNIQUE constraint failed: datasets"]

    class Raced:
        def log_inputs(self, run, inputs):
            if refusals:
                raise MlflowException(refusals.pop())
            real.log_inputs(run, inputs)

    run = real.create_run(real.create_experiment("raced")).info.run_id
    log_data_set(Raced(), run, record().trial)
    assert len(real.get_run(run).inputs.dataset_inputs) == 1
    refusals.append("the database is locked")
    with pytest.raises(MlflowException, match="locked"):
        log_data_set(Raced(), run, record().trial)
