"""The feed with an instant worker: nothing lost, nothing doubled, whatever fails."""

from collections import Counter

import pytest

from evenkeel.study.file.read import load_study
from evenkeel.study.plan.outcome import Known
from evenkeel.study.plan.planner import Planner
from evenkeel.study.plan.search import Searches
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.pack_queue import Feed, divide
from evenkeel.study.run.worker import Report
from tests.test_probe import trial


def planner(*overrides):
    small = ["seeds=2", "designs.sweep.levels=2", "designs.sobol=null", "designs.search.trials=6",
             "designs.search.batch=3", "designs.search.fresh_seeds=2", *overrides]  # fmt: skip
    return Planner(load_study("demo", small), {"name": "digits-mlt"}, {"name": "x"})


def score(member):
    """A smooth landscape, so that a search has something to find."""
    return {"val_f1": 1 - sum(v * v for v in member.hyperparameters.values() if isinstance(v, float)) / 1000}


@pytest.fixture
def make(tmp_path):
    def build(plan, known=None, **changes):
        ledger = Ledger(str(tmp_path), plan.config.name)
        ledger.create()
        seen = Counter()
        settings = {"pack_size": 7, "retries": 1, "keep_going": False} | changes
        settings |= {"on_trial": lambda i, s: seen.update([i]), "on_pack": lambda trials: None}
        feed = Feed(plan.planned(), Searches(plan), ledger, known=known or {}, **settings)
        feed.divide(2)
        return feed, seen, ledger

    return build


def drive(feed, fails=lambda member: False, stop_after=None):
    """Answer packs two at a time, in reverse order; `fails` says whose presence makes a pack fail."""
    answered = {}
    while not feed.over:
        packs = [p for p in (feed.next(), feed.next()) if p]
        assert packs, "the feed waits for nothing"
        for pack in reversed(packs):
            if any(fails(member) for member in pack.trials):
                feed.finished(pack.number, Report(error="it broke"))
                continue
            scores = {member.id: score(member) for member in pack.trials}
            answered |= {i: Known("done", s) for i, s in scores.items()}
            feed.finished(pack.number, Report(dict.fromkeys(scores, "done"), scores))
        if stop_after and len(answered) >= stop_after:
            break
    return answered


def test_every_trial_runs_once(make):
    plan = planner()
    feed, seen, _ = make(plan)
    answered = drive(feed)
    searched = sum(sum(plan.num_search_trials(loss).values()) for loss in plan.config.losses)
    assert set(seen.values()) == {1} and set(seen) == set(answered)
    assert len(seen) == len(plan.planned()) + searched


def test_resumes_with_what_is_missing_and_the_same_proposals(make):
    plan = planner()
    feed, _, _ = make(plan)
    whole = drive(feed)
    for stop in (1, 10, 30, len(whole)):
        first = drive(make(plan)[0], stop_after=stop)
        rest = drive(make(plan, known=first)[0])
        assert not first.keys() & rest.keys() and first | rest == whole


def test_one_guilty_trial_fails_alone_after_its_retries(make):
    plan = planner("designs.search=null")
    guilty = plan.planned()[5]
    feed, seen, ledger = make(plan, retries=2)
    answered = drive(feed, fails=lambda member: member.id == guilty.id)
    assert len(answered) == len(plan.planned()) - 1
    (failed,) = ledger.read_all().values()
    assert (failed.id, failed.state, failed.note) == (guilty.id, "failed", "it broke")
    assert seen[guilty.id] == 1


def test_a_search_lives_with_failures(make):
    plan = planner("designs.sweep.levels=2")
    bad = lambda member: member.design == "search" and member.hyperparameters["clip"] > 0.15  # noqa: E731
    feed, seen, ledger = make(plan, retries=0)
    drive(feed, fails=lambda member: "clip" in member.hyperparameters and bad(member))
    states = {r.trial.design for r in ledger.read_all().values() if r.state == "failed"}
    assert states == {"search"}
    assert any(i not in ledger.ids() for i in seen)


def test_optuna_is_told_the_direction_and_every_state():
    import optuna

    plan = planner()
    search = Searches(plan).members[0]
    for number in range(2):
        for i, member in enumerate(search.ask()):
            search.tell("failed" if number == i == 0 else "done", score(member)["val_f1"], member.id)
    assert search.study.direction == optuna.study.StudyDirection.MAXIMIZE
    states = [t.state.name for t in search.study.trials]
    assert states == ["FAIL"] + ["COMPLETE"] * 5
    winners = search.ask()
    assert {t.design for t in winners} == {"confirm"} and {t.seed for t in winners} == {2, 3}
    assert search.ask() == []


def test_a_long_search_lets_its_sampler_see_the_best_and_the_latest():
    from evenkeel.study.plan.search import KEPT, MOST_SEEN

    settings = ["designs.search.trials=700", "designs.search.batch=50", "designs.search.sampler=random"]
    plan = planner(*settings)
    search, told, most = Searches(plan).members[0], {}, 0
    while trials := search.ask():
        if search.confirming:
            break
        for member in trials:
            told[member.id] = (score(member)["val_f1"], member.hyperparameters)
            search.tell("done", told[member.id][0], member.id)
        most = max(most, len(search.study.trials))
    assert len(told) == 700 and KEPT <= most <= MOST_SEEN
    winner = next(t for t in trials if t.group is not None)
    assert winner.hyperparameters == max(told.values(), key=lambda known: known[0])[1]


def test_packs_share_a_seed_and_occupy_all_workers():
    trials = [trial(seed=s, gamma_neg=float(g)) for s in range(3) for g in range(10)]
    packs = divide(trials, pack_size=4, workers=2)
    assert all(len({t.seed for t in pack}) == 1 and len(pack) <= 4 for pack in packs)
    assert sorted(t.id for pack in packs for t in pack) == sorted(t.id for t in trials)
    assert len(divide(trials[:10], pack_size=64, workers=4)) == 4
