"""The queue with an instant worker: nothing lost, nothing doubled, whatever fails."""

from collections import Counter

import pytest

from evenkeel.study.errors import StorageError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.plan.planner import Planner
from evenkeel.study.plan.study_searches import StudySearches
from evenkeel.study.run.pack import PackReport
from evenkeel.study.run.pack_cutting import make_packs
from evenkeel.study.run.pack_queue import PackQueue
from tests.test_probe import trial


def planner(*overrides):
    small = ["seeds=2", "designs.sweep.levels=2", "designs.sobol=null", "designs.search.trials=6",
             "designs.search.batch=3", "designs.search.fresh_seeds=2", *overrides]  # fmt: skip
    return Planner(load_study("demo", small), {"name": "digits-mlt"}, {"name": "x"})


def score(member):
    """A smooth landscape, so that a search has something to find."""
    return {"val_f1": 1 - sum(v * v for v in member.hyperparameters.values() if isinstance(v, float)) / 1000}


class MemoryJournal:
    """Events in a list."""

    def __init__(self, events=()):
        self.events = list(events)

    def read(self):
        return list(self.events)

    def append(self, events):
        self.events += events


class Recorder:
    """Remembers what a queue tells; `recorded` are trials that a worker recorded before it died."""

    def __init__(self):
        self.added, self.failed, self.packs, self.recorded = Counter(), {}, [], {}

    def begin_pack(self, trials):
        self.packs.append(trials)

    def find_recorded(self, trials):
        return {t.id: self.recorded[t.id] for t in trials if t.id in self.recorded}

    def add(self, trial_id, state):
        self.added[trial_id] += 1

    def give_up(self, trial, error):
        self.added[trial.id] += 1
        self.failed[trial.id] = (trial, error)


@pytest.fixture
def make():
    def build(plan, outcomes=None, journal=None, workers=2, **changes):
        settings = {"pack_size": 7, "retries": 1, "keep_going": False} | changes
        recorder, searches = Recorder(), StudySearches(plan, journal or MemoryJournal())
        queue = PackQueue(plan.planned(), searches, recorder, outcomes=outcomes or {}, **settings)
        queue.repack(workers)
        return queue, recorder

    return build


def drive(queue, fails=lambda member: False, stop_after=None):
    """Answer packs two at a time, in reverse order; `fails` says whose presence makes a pack fail."""
    answered = {}
    while not queue.done:
        packs = [p for p in (queue.next_pack(), queue.next_pack()) if p]
        assert packs, "the queue waits for nothing"
        for pack in reversed(packs):
            if any(fails(member) for member in pack.trials):
                queue.finish(pack.number, PackReport(error="it broke"))
                continue
            scores = {member.id: score(member) for member in pack.trials}
            answered |= {i: Outcome("done", s) for i, s in scores.items()}
            queue.finish(pack.number, PackReport(dict.fromkeys(scores, "done"), scores))
        if stop_after and len(answered) >= stop_after:
            break
    return answered


def test_every_trial_runs_once(make):
    plan = planner()
    queue, recorder = make(plan)
    answered = drive(queue)
    searched = sum(sum(plan.num_search_trials(loss).values()) for loss in plan.config.losses)
    assert set(recorder.added.values()) == {1} and set(recorder.added) == set(answered)
    assert len(recorder.added) == len(plan.planned()) + searched


def test_resumes_with_what_is_missing_and_the_same_proposals(make):
    """Nothing that an earlier run asked is asked otherwise, and nothing runs twice."""
    plan = planner()
    num = len(drive(make(plan)[0]))
    for stop in (1, 10, 30, num):
        journal = MemoryJournal()
        first = drive(make(plan, journal=journal)[0], stop_after=stop)
        before = {(e["search"], e["proposal"]): e["setting"] for e in journal.events if "setting" in e}
        second = drive(make(plan, outcomes=first, journal=journal)[0])
        after = [e for e in journal.events if "setting" in e]
        assert not first.keys() & second.keys() and len(first | second) == num
        assert all(before.get((e["search"], e["proposal"]), e["setting"]) == e["setting"] for e in after)
        assert len(after) == len({(e["search"], e["proposal"]) for e in after}) == 4 * 6


def test_one_guilty_trial_fails_alone_after_its_retries(make):
    plan = planner("designs.search=null")
    guilty = plan.planned()[5]
    queue, recorder = make(plan, retries=2)
    answered = drive(queue, fails=lambda member: member.id == guilty.id)
    assert len(answered) == len(plan.planned()) - 1
    assert recorder.failed == {guilty.id: (guilty, "it broke")}
    assert recorder.added[guilty.id] == 1
    assert sum(pack == [guilty] for pack in recorder.packs) == 3


def test_what_a_dead_worker_recorded_does_not_run_again(make):
    plan = planner("designs.search=null")
    queue, recorder = make(plan)
    first = queue.next_pack()
    recorder.recorded = {member.id: Outcome("done", score(member)) for member in first.trials[:3]}
    queue.finish(first.number, PackReport(error="the worker died"))
    later = drive(queue)
    assert not later.keys() & recorder.recorded.keys()
    assert set(recorder.added.values()) == {1} and set(recorder.added) == {t.id for t in plan.planned()}


def test_a_search_lives_with_failures(make):
    plan = planner("designs.sweep.levels=2")
    bad = lambda member: member.design == "search" and member.hyperparameters["clip"] > 0.15  # noqa: E731
    queue, recorder = make(plan, retries=0)
    drive(queue, fails=lambda member: "clip" in member.hyperparameters and bad(member))
    assert {member.design for member, _ in recorder.failed.values()} == {"search"}
    assert recorder.added.keys() - recorder.failed.keys()


def test_a_free_worker_gets_its_share_of_a_search_and_no_pack_waits_ahead(make):
    """Four losses of three proposals at once on three workers: four to a pack, the fourth pack when one has ended."""
    plan = planner("designs.sweep=null", "designs.search.batch=3")
    queue, _ = make(plan, pack_size=16, workers=3)
    packs = [queue.next_pack() for _ in range(3)]
    assert [len(pack.trials) for pack in packs] == [4, 4, 4] and queue.next_pack() is None and not queue.done
    assert all({trial.label for trial in pack.trials} == {loss.label for loss in plan.config.losses} - {"bce"}
               for pack in packs)  # fmt: skip
    scores = {member.id: score(member) for member in packs[1].trials}
    queue.finish(packs[1].number, PackReport(dict.fromkeys(scores, "done"), scores))
    assert {trial.proposal for trial in queue.next_pack().trials} == {3} and queue.next_pack() is None


def test_a_journal_that_cannot_be_written_stops_the_run_before_anything_unwritten_runs(make):
    class Full(MemoryJournal):
        def append(self, events):
            raise StorageError("no room")

    queue, recorder = make(planner("designs.sweep=null"), journal=Full())
    assert queue.next_pack() is None and queue.done and queue.storage_error == "no room" and recorder.packs == []


def test_packs_share_a_seed_and_occupy_all_workers():
    trials = [trial(seed=s, gamma_neg=float(g)) for s in range(3) for g in range(10)]
    packs = make_packs(trials, pack_size=4, workers=2)
    assert all(len({t.seed for t in pack}) == 1 and len(pack) <= 4 for pack in packs)
    assert sorted(t.id for pack in packs for t in pack) == sorted(t.id for t in trials)
    assert len(make_packs(trials[:10], pack_size=64, workers=4)) == 4
