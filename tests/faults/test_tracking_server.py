"""MLflow as a server in trouble: no trial waits, nothing is missing or twice in the end."""

from collections import Counter

import pytest

from benchmarks.servers import MlflowServer
from study.run.places import own_database
from study.tracking.driver import MANY_TRIALS, Tracker
from study.tracking.messages import share_of
from tests.test_ledger import record
from tests.test_tracking import START, connect, runs

pytestmark = pytest.mark.slow
LIMIT_S = 240
SOME = [record(seed=seed) for seed in range(12)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with MlflowServer(own_database(folder), folder) as server:
        yield server


def states(folder, study="tiny"):
    return Counter((run.data.tags["evenkeel.trial_id"], run.info.status) for run in runs(folder, study)[1])


ONCE = Counter((item.id, "FINISHED") for item in SOME)


def test_an_outage_of_two_processes_is_said_once_and_so_is_its_end(tmp_path):
    assert {share_of(item.id, 2) for item in SOME} == {0, 1}
    server = MlflowServer(own_database(tmp_path), tmp_path)
    tracker, said = connect(Tracker, tmp_path, server.uri)
    with tracker:
        tracker.start(START, SOME, MANY_TRIALS)
        assert len(tracker.pipes) == 2 and tracker.finish(0) == len(SOME)
        with server:
            assert tracker.finish(LIMIT_S) == 0
    outage, back = [text for text in said if not text.startswith("still to be tracked")]
    assert "127.0.0.1" in outage and back == "MLflow answers again"
    assert states(tmp_path) == ONCE
