"""Whole runs that meet trouble: damaged files, trials that all fail alike."""

import pytest

from evenkeel.study.records.ledger import Ledger
from tests.test_engine import run

SMALL = ("designs.search=null", "designs.sweep=null", "resources.retries=0", "resources.pack_size=4")


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    storage = tmp_path_factory.mktemp("whole")
    run(study, storage, *SMALL)
    return storage


def scores(storage):
    return {i: record.metrics for i, record in Ledger(str(storage), "tiny").read_all().items()}


def test_damaged_files_are_healed_by_the_next_run(study, whole, tmp_path):
    run(study, tmp_path, *SMALL)
    first, second, *_ = sorted((tmp_path / "trials").glob("*.json"))
    first.write_bytes(first.read_bytes()[:100])
    second.write_bytes(b"")
    (tmp_path / "study.json").write_text('{"config": {"na')
    outcome, display = run(study, tmp_path, *SMALL)
    assert outcome.num_new == 2 and scores(tmp_path) == scores(whole)
    assert len(list((tmp_path / "set-aside").iterdir())) == 2
    assert sum("moved to set-aside/" in text for text in display.said) == 1
    assert any("study.json: lost or not readable" in text for text in display.said)
    assert run(study, tmp_path, *SMALL, runner=None)[0].num_new == 0


def test_trials_that_all_fail_alike_stop_the_study(study, tmp_path, monkeypatch):
    from evenkeel.trainables.probe.train import ProbeWorker

    def breaks(worker, trials, *rest):
        raise ValueError(f"no such column 'age', in {id(trials)}")

    monkeypatch.setattr(ProbeWorker, "run", breaks)
    outcome, _ = run(study, tmp_path, *SMALL)
    assert outcome.same_reason.startswith("ValueError: no such column 'age'") and not outcome.stopped
    assert 3 <= outcome.states["failed"] == outcome.num_new < 10
    assert len(outcome.reasons) == 1 and f"{outcome.num_new} failed: ValueError" in outcome.reasons[0]
    outcome, _ = run(study, tmp_path, *SMALL, keep_going=True)
    assert outcome.states["failed"] == 10
