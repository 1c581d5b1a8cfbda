"""MLflow as a server in trouble: no trial waits, nothing is missing or twice in the end."""

import os
import signal
import tempfile
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from benchmarks.servers import POSTGRESQL, MlflowServer, PostgreSql, Proxy
from evenkeel.study.file.locations import own_database_uri
from evenkeel.study.tracking.messages import assign_process
from evenkeel.study.tracking.sql_tuning import tune_connections
from evenkeel.study.tracking.tracker import MANY_TRIALS, Tracker
from tests.test_ledger import record
from tests.test_tracking import START, connect, runs

pytestmark = pytest.mark.slow
LIMIT_S = 240
SOME = [record(seed=seed) for seed in range(12)]
ONCE = Counter((item.id, "FINISHED") for item in SOME)
needs_postgresql = pytest.mark.skipif(not POSTGRESQL.exists(), reason="no PostgreSQL on this machine")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with MlflowServer(own_database_uri(folder), folder) as server:
        yield server


@pytest.fixture
def proxy(server):
    with Proxy(server.uri) as proxy:
        yield proxy


@pytest.fixture
def folder():
    """One that PostgreSQL's own user reaches, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def begin(tmp_path):
    """Starts to fill a study of its own, and waits until its first trials are there."""
    trackers = []

    def begun(uri, study, num_trials=0):
        tracker, said = connect(Tracker, tmp_path, uri, study)
        trackers.append(tracker)
        tracker.start(replace(START, identity=uuid.uuid4().hex), SOME[:4], num_trials)
        assert tracker.finish(LIMIT_S) == 0
        return tracker, said

    yield begun
    for tracker in trackers:
        tracker.close()


def submit(tracker, items=SOME[4:]):
    for item in items:
        tracker.submit(item)
    return len(items)


def states(uri, study="tiny"):
    """How often MLflow has each trial, and in which state."""
    return Counter((run.data.tags["evenkeel.trial_id"], run.info.status) for run in runs(None, study, uri)[1])


def outages(said):
    return [text for text in said if not text.startswith("still to be tracked")]


@pytest.mark.long
def test_two_processes_say_an_outage_once_and_so_its_end(tmp_path):
    assert {assign_process(item.id, 2) for item in SOME} == {0, 1}
    server = MlflowServer(own_database_uri(tmp_path), tmp_path)
    tracker, said = connect(Tracker, tmp_path, server.uri)
    with tracker:
        tracker.start(START, SOME, MANY_TRIALS)
        assert len(tracker.pipes) > 1 and tracker.finish(0) == len(SOME)
        with server:
            assert tracker.finish(LIMIT_S) == 0
    outage, back = outages(said)
    assert "127.0.0.1" in outage and back == "MLflow answers again"
    assert states(own_database_uri(tmp_path)) == ONCE


@pytest.mark.parametrize("status", [500, pytest.param(429, marks=pytest.mark.long)])
def test_a_server_that_refuses_is_asked_again(server, proxy, begin, status):
    tracker, said = begin(proxy.uri, f"refused with {status}")
    proxy.refuses = status
    assert submit(tracker) == tracker.finish(0) and proxy.num_refused
    proxy.refuses = 0
    assert tracker.finish(LIMIT_S) == 0 and len(outages(said)) == 2
    assert states(server.uri, f"refused with {status}") == ONCE


def test_a_slow_server_is_waited_for(server, proxy, begin):
    tracker, said = begin(proxy.uri, "slow")
    proxy.delay_s = 0.2
    submit(tracker)
    assert tracker.finish(LIMIT_S) == 0 and not outages(said)
    assert states(server.uri, "slow") == ONCE


def test_what_was_done_though_its_answer_was_lost_is_not_done_twice(server, proxy, begin):
    tracker, _ = begin(proxy.uri, "lost answers")
    proxy.loses = 5
    submit(tracker)
    assert tracker.finish(LIMIT_S) == 0 and not proxy.loses
    assert states(server.uri, "lost answers") == ONCE


@pytest.mark.long
def test_two_drivers_of_two_studies_stay_apart(server, begin):
    first, second = begin(server.uri, "first"), begin(server.uri, "second")
    for item in SOME[4:]:
        first[0].submit(item)
        second[0].submit(item)
    assert first[0].finish(LIMIT_S) == second[0].finish(LIMIT_S) == 0
    assert states(server.uri, "first") == states(server.uri, "second") == ONCE


def test_a_server_that_is_killed_and_started_again_is_caught_up(server, begin):
    tracker, _ = begin(server.uri, "killed")
    server.send(signal.SIGKILL)
    server.process.wait()
    assert submit(tracker) == tracker.finish(0)
    server.start()
    assert tracker.finish(LIMIT_S) == 0
    assert states(server.uri, "killed") == ONCE


@needs_postgresql
def test_a_database_that_is_new_and_restarted_is_caught_up(folder, begin):
    """Two processes meet an empty database: one of them makes its tables."""
    with PostgreSql(folder) as database:
        uri = database.database("mlflow")
        tracker, said = begin(uri, "restarted", MANY_TRIALS)
        assert not outages(said)
        database.stop()
        assert submit(tracker) == tracker.finish(0)
        database.start()
        assert tracker.finish(LIMIT_S) == 0 and len(outages(said)) == 2
        assert states(uri, "restarted") == ONCE


@needs_postgresql
def test_commits_do_not_wait_for_the_disk_of_a_database(folder):
    tune_connections()
    with PostgreSql(folder) as database:
        engine = create_engine(database.database("empty"))
        with engine.connect() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "off"
        engine.dispose()


@needs_postgresql
def test_a_database_whose_disk_was_full_is_caught_up(folder, begin, mount_disk):
    with PostgreSql(mount_disk(folder, "160m")) as database:
        uri = database.database("mlflow")
        tracker, _ = begin(uri, "full")
        fill(folder / "ballast")
        submit(tracker, [replace(item, note=os.urandom(1900).hex()) for item in SOME[4:]])
        assert tracker.finish(0)
        (folder / "ballast").unlink()
        database.stop()
        database.start()
        assert tracker.finish(LIMIT_S) == 0
        assert states(uri, "full") == ONCE


def fill(ballast):
    """To the last byte."""
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            pass
