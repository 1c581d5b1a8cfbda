"""Shards of a study: who has which trials, who excludes whom, and what is recorded however they are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.study.cli import main
from evenkeel.study.errors import EXIT_BAD_INPUT, EXIT_OK, UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.lease import WHOLE_STUDY, Lease, LeaseHeld, wait_until_free
from evenkeel.study.run.shards import Shard, hold_shard, read_shards, shard_leases
from evenkeel.study.run.signals import Signals
from evenkeel.trainables import Trial

LIMIT_S = 120
STUDY = """
name: parts
data: {name: digits-mlt}
trainable: {name: "noted:Noted", trial_s: %g}
losses: [bce, {loss: ral, fixed: {focusing: full}}, {loss: asl, fixed: {focusing: full}}]
designs: {sweep: {levels: 4}}
seeds: 4
resources: {pack_size: 4}
"""
NOTED = """
import os
from benchmarks.instant import Instant, InstantWorker

class Noted(Instant):
    '''Notes every trial that it runs.'''
    def worker(self, measures=()):
        return NotedWorker(self, measures)

class NotedWorker(InstantWorker):
    def run(self, trials, prepared, place):
        for trial, result in super().run(trials, prepared, place):
            with open(os.environ["NOTES"], "a") as notes:
                notes.write(trial.id + "\\n")
            yield trial, result
"""


def trials(num, seeds=3):
    return [
        Trial(
            loss="bce",
            hyperparameters={"x": float(n)},
            seed=n % seeds,
            data={},
            trainable={},
            design="sweep",
            label="bce",
        )
        for n in range(num)
    ]


@given(num=st.integers(0, 200), seeds=st.integers(1, 7), num_shards=st.integers(1, 20))
def test_every_trial_has_exactly_one_shard(num, seeds, num_shards):
    planned = trials(num, seeds)
    parts = [Shard(k, num_shards).select(planned) for k in range(1, num_shards + 1)]
    assert Counter(t.id for part in parts for t in part) == Counter(t.id for t in planned)


def test_a_large_plan_is_divided_about_evenly():
    sizes = [len(Shard(k, 16).select(trials(4000, 5))) for k in range(1, 17)]
    assert min(sizes) > 0.9 * 250 and max(sizes) < 1.1 * 250


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "3", "a/b", "1/2/3", "-1/4", "1/4 "])
def test_a_shard_that_is_none_is_one_message(text):
    with pytest.raises(UserError, match="1/16 to 16/16"):
        Shard.parse(text)


@pytest.fixture
def folder(any_folder):
    return any_folder


def lease(folder, name=WHOLE_STUDY, elsewhere=False):
    """With beats every 0.1 s; `elsewhere`: as if from another machine."""
    made = Lease(folder, lambda: None, name, beat_s=0.1, stale_s=1.5)
    if elsewhere:
        made.me = replace(made.me, place="another machine", host="other", pid=1)
    return made


@pytest.fixture
def signals():
    with Signals(lambda text: None) as made:
        yield made


class TestWhoExcludesWhom:
    """On a local folder, in memory and on an S3 server."""

    names = [Shard(k, 2).lease_name(trials(8)) for k in (1, 2)]
    of_another_plan = Shard(1, 2).lease_name(trials(9))

    def test_shards_of_one_division_run_side_by_side(self, folder, signals):
        with hold_shard(folder, signals, self.names[0]), hold_shard(folder, signals, self.names[1]):
            assert [str(shard) for shard in read_shards(folder)] == ["1/2", "2/2"]
        assert all(holder.released for holder in read_shards(folder).values())

    @pytest.mark.parametrize("second", ["names", "of_another_plan"])
    def test_the_same_shard_or_one_of_another_division_is_refused(self, folder, signals, second):
        name = self.names[0] if second == "names" else self.of_another_plan
        with (
            hold_shard(folder, signals, self.names[0]),
            pytest.raises(LeaseHeld, match="the shard .*1-of-2 of this study is going on"),
            hold_shard(folder, signals, name),
        ):
            raise AssertionError("two that exclude each other")
        with hold_shard(folder, signals, name):  # and is not refused for good
            pass

    def test_a_run_of_the_whole_study_excludes_shards(self, folder, signals):
        with (
            lease(folder).hold(),
            pytest.raises(LeaseHeld, match="another run of this study is going on"),
            hold_shard(folder, signals, self.names[0]),
        ):
            raise AssertionError("a shard beside a run of the whole")

    def test_shards_exclude_a_run_of_the_whole_study(self, folder, signals):
        with hold_shard(folder, signals, self.names[0]), pytest.raises(LeaseHeld, match="the shard"):
            wait_until_free(folder, shard_leases(folder))
        wait_until_free(folder, shard_leases(folder))

    def test_the_shard_of_a_machine_that_fell_silent_is_waited_out(self, folder):
        lease(folder, self.names[0], elsewhere=True)._take()
        began = time.monotonic()
        wait_until_free(folder, [self.names[0]], stale_s=1)
        assert time.monotonic() - began > 1

    def test_the_shard_of_another_machine_that_beats_is_alive(self, folder):
        with lease(folder, self.names[0], elsewhere=True).hold(), pytest.raises(LeaseHeld):
            wait_until_free(folder, [self.names[0]], stale_s=5)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "noted.py").write_text(NOTED)
    (tmp_path / "parts.yaml").write_text(STUDY % 0.05)
    return tmp_path / "parts.yaml"


def planned_ids(study):
    return {trial.id for trial in make_planner(load_study(str(study))).planned()}


def start(study, shard, *options):
    words = ["run", str(study), "--storage", str(study.parent / "storage"), "--shard", shard, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "evenkeel", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def recorded(study):
    return Ledger(str(study.parent / "storage"), "parts").read_all()


@pytest.mark.slow
def test_killed_and_requeued_shards_record_every_trial_once(study):
    """Two of four are killed, one of them twice; the last to end fills MLflow."""
    planned = planned_ids(study)
    running = {k: start(study, f"{k}/4") for k in range(1, 5)}
    for victim in (2, 3, 2):
        before, deadline = len(recorded(study)), time.monotonic() + LIMIT_S
        while len(recorded(study)) < min(before + 3, len(planned)) and time.monotonic() < deadline:
            time.sleep(0.05)
        running[victim].send_signal(signal.SIGKILL)
        running[victim].communicate()
        running[victim] = start(study, f"{victim}/4")
    ended = {k: (*process.communicate(timeout=LIMIT_S), process.returncode) for k, process in running.items()}
    assert {code for *_, code in ended.values()} == {EXIT_OK}, ended
    assert set(recorded(study)) == planned and {r.state for r in recorded(study).values()} == {"done"}
    notes = Counter((study.parent / "notes").read_text().split())
    assert set(notes) == planned and sum(notes.values()) <= len(planned) + 3  # one for each kill, cut off at its record
    assert json.loads((study.parent / "storage" / "tracked.json").read_text())
    words = ["--storage", str(study.parent / "storage"), "--from-mlflow", "-o", str(study.parent / "report.html")]
    assert main(["report", str(study), *words]) == EXIT_OK


@pytest.mark.slow
def test_a_shard_that_is_asked_to_stop_finishes_its_pack_and_stops_no_other(study):
    one, two = start(study, "1/2"), start(study, "2/2")
    deadline = time.monotonic() + LIMIT_S
    while not {1, 2} <= {shard.number for shard in read_shards(Folder(str(study.parent / "storage")))} or not recorded(
        study
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    one.send_signal(signal.SIGTERM)
    _, words = one.communicate(timeout=LIMIT_S)
    assert one.returncode == 130 and "the same command goes on" in words
    two.communicate(timeout=LIMIT_S)
    own = {trial.id for trial in Shard(2, 2).select(make_planner(load_study(str(study))).planned())}
    assert two.returncode == EXIT_OK and own <= set(recorded(study)) < planned_ids(study)


def run(study, *options):
    return main(["run", str(study), "--storage", str(study.parent / "storage"), *options])


@pytest.mark.long
def test_shards_of_a_plan_that_grew_run_what_is_missing(study, capsys):
    for k in (1, 2):
        assert run(study, "--shard", f"{k}/2", "--set", "trainable.trial_s=0") == EXIT_OK
    study.write_text(study.read_text().replace("seeds: 4", "seeds: 6"))
    for k in (1, 2, 3):
        assert run(study, "--shard", f"{k}/3", "--set", "trainable.trial_s=0") == EXIT_OK
    assert set(recorded(study)) == planned_ids(study)
    notes = Counter((study.parent / "notes").read_text().split())
    assert set(notes.values()) == {1}
    capsys.readouterr()
    assert main(["status", str(study), "--storage", str(study.parent / "storage"), "--json"]) == EXIT_OK
    said = json.loads(capsys.readouterr().out)
    assert list(said["shards"]) == ["1/3", "2/3", "3/3"] and said["total"]["missing"] == 0
    assert {shard["state"] for shard in said["shards"].values()} == {"ended"}


def test_a_search_is_left_to_one_run_and_goes_on_from_what_shards_recorded(study, capsys):
    search = ["--set", "designs.search={trials: 2, batch: 2, fresh_seeds: 1, groups: 1, seeds_per_group: 1}"]
    at_once = ["--set", "trainable.trial_s=0", *search]
    assert run(study, "--shard", "1/1", *at_once) == EXIT_OK
    assert "a search is left to one run of the whole study" in capsys.readouterr().err
    before = Counter((study.parent / "notes").read_text().split())
    assert set(before) == set(recorded(study)) and not (study.parent / "storage" / "tracked.json").exists()
    assert run(study, "--serial", *at_once) == EXIT_OK
    after = Counter((study.parent / "notes").read_text().split())
    assert set(after.values()) == {1} and len(after) > len(before)


@pytest.mark.parametrize(
    "option", [["--workers", "2"], ["--address", "auto"], ["--accept-changes"], ["--track-again"], ["--keep-tune"]]
)
def test_what_concerns_a_whole_run_is_no_option_of_a_shard(study, option, capsys):
    assert run(study, "--shard", "1/2", *option) == EXIT_BAD_INPUT
    assert f"{option[0]} is for a run of the whole study" in capsys.readouterr().err


def test_shards_that_begin_together_give_the_study_one_identity(tmp_path):
    """The second finds no study.json yet, but the identity of the first."""
    from evenkeel.study.records.record import StudyRecord

    first, second = Ledger(str(tmp_path), "s"), Ledger(str(tmp_path), "s")
    record = StudyRecord({"name": "s"}, {})
    identity = first.write_study(record).identity
    first.folder.remove("study.json")
    assert second.write_study(replace(record)).identity == identity
