"""Trials that run one after the other: what of them shares a pack, and what one of them does to the others."""

from collections import Counter

import pytest

from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run import worker
from evenkeel.study.run.pack import PackReport
from evenkeel.study.run.pack_cutting import cut_row
from evenkeel.study.run.pack_queue import PackQueue
from evenkeel.study.run.pack_sizing import ROW_TARGET_S, PackCost, RowSizing
from evenkeel.study.run.recorder import RunRecorder
from evenkeel.study.run.serial_runner import SerialRunner
from evenkeel.study.run.shard_run import Untracked
from evenkeel.study.run.worker_context import WorkerContext, runs_one_by_one
from evenkeel.trainables import Trial, own_code, trainable
from tests.test_engine import Silent
from tests.test_pack_queue import Recorder
from tests.test_probe import trial

TRAIN = """
import sys
import time
from pathlib import Path


def train(seed, rate=0.5):
    with (Path(__file__).parent / "calls.txt").open("a") as calls:
        calls.write(f"{round(rate, 6)} {seed}\\n")
    if (rate, seed) == (1.0, 1):
        raise ValueError("a rate that high breaks")
    if (rate, seed) == (1.0, 2):
        sys.exit("no more")
    while (rate, seed) == (0.0, 3):
        time.sleep(0.01)
    return {split: {"accuracy": 0.5 + 0.1 * rate + 0.001 * seed} for split in ("val", "test")}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs six seeds of three rates in this process; what was recorded, and how often each was called."""
    monkeypatch.setattr(own_code, "FOLDERS", [str(tmp_path)])
    name = f"row_{abs(hash(tmp_path))}.py:train"
    (tmp_path / name.partition(":")[0]).write_text(TRAIN)

    def run(pack_size=None, retries=0):
        context = WorkerContext(
            "row", str(tmp_path / "records"), str(tmp_path), {"name": "by-function"}, {"name": name},
            trial_limit=0.3, metric="accuracy", one_by_one=runs_one_by_one(trainable({"name": name})),
        )  # fmt: skip
        ledger = Ledger(context.storage, "row")
        ledger.create()
        row = [made(name, seed, rate) for rate in (0.0, 0.5, 1.0) for seed in range(6)]
        queue = PackQueue(
            row, None, RunRecorder(ledger, Untracked(), Silent(), {}, ()), outcomes={}, pack_size=pack_size,
            retries=retries, keep_going=False, one_by_one=context.one_by_one,
        )  # fmt: skip
        queue.repack(1)
        SerialRunner().run(queue, context, print, print)
        return list(ledger.read_all().values()), Counter((tmp_path / "calls.txt").read_text().splitlines())

    return run


def made(name, seed, rate):
    return Trial(
        loss=name, hyperparameters={}, seed=seed, data={}, trainable={}, design="sweep", label="mine",
        settings={"rate": rate},
    )  # fmt: skip


GUILTY = {"1.0 1", "1.0 2", "0.0 3"}


def test_what_one_trial_does_costs_no_other(run):
    """One raises, one leaves, one never ends: each is tried again alone, and what else was in its pack runs once."""
    records, calls = run(retries=1)
    assert calls == Counter({name: 1 + (name in GUILTY) for name in calls}) and len(calls) == 18
    failed = {f"{r.trial.settings['rate']} {r.trial.seed}": r.note for r in records if r.state == "failed"}
    assert failed.keys() == GUILTY and len(records) == 18
    assert "a rate that high breaks" in failed["1.0 1"] and "sys.exit was called" in failed["1.0 2"]
    assert "resources.trial_limit" in failed["0.0 3"]


def test_trials_of_any_setting_and_seed_share_a_pack(run):
    packs = {}
    for record in run(pack_size=9)[0]:
        packs.setdefault(record.pack, []).append(record.trial)
    largest = max(packs.values(), key=len)
    assert len({member.seed for member in largest}) > 1 and len({str(member.settings) for member in largest}) > 1


def test_a_row_that_takes_too_long_is_given_back(run, monkeypatch):
    """As when a first trial of 0.1 s says nothing of those that train for longer."""
    monkeypatch.setattr(worker, "ROW_LIMIT_S", 0.0)
    records, calls = run(pack_size=8)
    assert len(records) == len(calls) == 18 and set(calls.values()) == {1}
    assert len({record.pack for record in records if record.state == "done"}) == 15


def trials(num):
    return [trial(seed=number, gamma_neg=float(number)) for number in range(num)]


@pytest.mark.parametrize(("num", "size", "workers"), [(100, 8, 2), (100, 1000, 2), (3, 20, 4), (1, 1, 1), (0, 5, 2)])
def test_a_row_is_cut_in_its_order_so_that_workers_end_together(num, size, workers):
    row = trials(num)
    packs = cut_row(row, size, workers)
    assert [member for pack in packs for member in pack] == row
    assert all(0 < len(pack) <= size for pack in packs)
    for number, pack in enumerate(packs):
        left = sum(map(len, packs[number:]))
        assert len(pack) == 1 or len(pack) * workers < left, "while one worker has it, the others find as much"


def test_a_pack_of_a_row_takes_two_seconds_as_measured():
    sizing = RowSizing(None)
    assert sizing.size == 1
    assert not sizing.learn(PackCost(1, 60.0)) and sizing.size == 1
    assert sizing.learn(PackCost(1, ROW_TARGET_S / 20)) and sizing.size == 20
    assert sizing.learn(PackCost(2, ROW_TARGET_S)) and sizing.size == 1


def test_a_worker_that_died_costs_the_trial_that_was_running():
    """Five deaths of one trial by retries of four; each of the others is given out once more, none by halves."""
    row, recorder = trials(12), Recorder()
    queue = PackQueue(row, None, recorder, outcomes={}, pack_size=6, retries=4, keep_going=True, one_by_one=True)
    queue.repack(1)
    guilty = row[2]
    while not queue.done:
        pack, report = queue.next_pack(), PackReport()
        before = pack.trials[: pack.trials.index(guilty)] if guilty in pack.trials else pack.trials
        report.states.update(dict.fromkeys((member.id for member in before), "done"))
        report.scores.update(dict.fromkeys(report.states, {}))
        if guilty in pack.trials:  # what was recorded before is found in the ledger
            recorder.recorded = {}
            queue.finish(pack.number, PackReport(report.states, report.scores, error="the worker died"))
        else:
            queue.finish(pack.number, report)
    assert list(recorder.failed) == [guilty.id] and set(recorder.added.values()) == {1}
    given = Counter(member.id for pack in recorder.packs for member in pack)
    assert given[guilty.id] == 6 and max(num for i, num in given.items() if i != guilty.id) == 2
