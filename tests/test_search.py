"""A search that never waits: what it asks follows from what it was told, however often it is killed."""

import csv
import zlib
from statistics import fmean

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from evenkeel.search_spaces.optuna_search import MAX_SEEN, NUM_KEPT, distributions
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.plan.planner import Planner, make_planner
from evenkeel.study.plan.search import search_stream
from evenkeel.study.plan.study_searches import StudySearches
from tests.test_pack_queue import MemoryJournal, planner, score
from tests.test_plan import AS_IT_WAS, RECORDED

WORKERS = 3


def plan_of(sampler="tpe", trials=14, **search):
    settings = {"sampler": sampler, "trials": trials, "batch": WORKERS, "fresh_seeds": 1} | search
    losses = "losses=[{loss: ral, fixed: {focusing: full}}]"
    config = load_study("demo", [f"designs={{search: {settings}}}", losses, "seeds=2"])
    return Planner(config, {"name": "digits-mlt"}, {"name": "x"})


class Run:
    """Workers that end their trials in an order that depends on nothing but the trials."""

    def __init__(self, plan, journal, outcomes):
        self.searches, self.outcomes = StudySearches(plan, journal), outcomes
        self.running, self.score = self.searches.start(outcomes), score

    def step(self):
        """A worker becomes free, is given a trial, and another ends; False when there is nothing left."""
        while len(self.running) < WORKERS and self.searches.num_open(WORKERS):
            self.running += self.searches.ask(1, WORKERS, self.outcomes)
        if not self.running:
            return False
        first = min(self.running, key=lambda trial: zlib.crc32(trial.id.encode()))
        self.running.remove(first)
        self.outcomes[first.id] = Outcome("done", self.score(first))
        self.running += self.searches.take_outcome(first.id, self.outcomes)
        return True


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "qmc", "nsga2"])
def test_given_the_same_order_of_finishing_a_killed_search_asks_the_same(sampler):
    plan, whole = plan_of(sampler), MemoryJournal()
    undisturbed = Run(plan, whole, {})
    while undisturbed.step():
        pass
    for steps in (1, 2, 7, 13):
        journal, outcomes = MemoryJournal(), {}
        while undisturbed.outcomes.keys() != outcomes.keys():
            run = Run(plan, journal, outcomes)  # nothing but journal and records outlives a kill
            for _ in range(steps):
                run.step()
        assert settings(journal) == settings(whole) and len(settings(journal)) == 14


def settings(journal):
    return {event["proposal"]: event["setting"] for event in journal.events if "setting" in event}


def test_the_journal_alone_says_what_optuna_knew():
    """Each proposal is what Optuna's own sampler gives that is shown what stands before it: values, and what runs."""
    plan, journal = plan_of(trials=20), MemoryJournal()
    run = Run(plan, journal, {})
    while run.step():
        pass
    space = distributions(plan.config.axes(plan.config.losses[0]))
    for place, event in enumerate(journal.events):
        if "setting" in event and event["proposal"] > 0:
            assert event["setting"] == asked_of_optuna(space, journal.events[:place], event["proposal"])


def asked_of_optuna(space, events, number):
    values = {e["proposal"]: e["values"][0] for e in events if "values" in e}
    seed, startup = zlib.crc32(f"0 ral 0 {number} 0".encode()), 4 if number >= 8 else 8
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for event in (e for e in events if "setting" in e):
        state = TrialState.COMPLETE if event["proposal"] in values else TrialState.RUNNING
        value = values.get(event["proposal"])
        study.add_trial(create_trial(state=state, value=value, params=event["setting"], distributions=space))
    return study.ask(space).params


def test_a_free_worker_gets_a_proposal_whoever_still_runs():
    run = Run(plan_of(), journal := MemoryJournal(), {})
    run.step()
    asked = [e["proposal"] for e in journal.events if "setting" in e]
    assert asked == [0, 1, 2] and len(run.running) == 2
    run.step()
    assert [e["proposal"] for e in journal.events if "setting" in e] == [0, 1, 2, 3]
    assert [("setting" in e) for e in journal.events] == [True, True, True, False, True], "told before it asks"
    assert run.searches.num_open(2 * WORKERS) == 2 * WORKERS - 2, "more workers are not left idle"


def test_the_published_default_comes_first_and_is_no_winner_of_itself():
    plan = plan_of(trials=5)
    run = Run(plan, MemoryJournal(), {})
    while run.step():
        pass
    member = next(iter(run.searches.members.values()))
    default = plan.config.axes(plan.config.losses[0]).defaults()
    assert member.proposals[0].setting == {name: default[name] for name in member.default}
    confirmed = [t for t in run.searches.trials.values() if t.design == "confirm"]
    best = max((answer.values, n) for n, answer in member.answers.items() if n > 0)[1]
    assert [(t.group, t.hyperparameters | t.settings) for t in confirmed] == [
        (None, plan.config.losses[0].setting()),
        (0, plan.config.losses[0].setting() | member.proposals[best].setting),
    ]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "qmc", "nsga2"])
def test_every_proposal_obeys_the_constraints_and_starts_come_first(sampler):
    start = {"gamma_neg": 9.5, "clip": 0.01}
    plan = plan_of(sampler, start=[start], constraints=["gamma_neg >= 6", "hill_lambda<=2", "gamma_pos < gamma_neg"])
    journal = MemoryJournal()
    for _ in range(3):  # killed twice
        run = Run(plan, journal, outcomes={})
        for _ in range(6):
            run.step()
    proposed = settings(journal)
    default = plan.config.axes(plan.config.losses[0]).defaults()
    assert default["gamma_neg"] < 6, "so that the default is not proposed"
    assert proposed[0] == {name: value for name, value in (default | start).items() if name in proposed[0]}
    assert len(proposed) > 6 and all(s["gamma_neg"] >= 6 and s["hill_lambda"] <= 2 for s in proposed.values())


def test_a_start_that_is_added_later_is_proposed_next():
    journal, outcomes = MemoryJournal(), {}
    run = Run(plan_of(), journal, outcomes)
    for _ in range(4):
        run.step()
    num = len(settings(journal))
    later = Run(plan_of(start=[{"clip": 0.07}]), journal, outcomes)
    for _ in range(2):
        later.step()
    assert settings(journal)[num]["clip"] == 0.07 and len(settings(journal)) > num + 1


def test_a_search_that_was_made_shorter_asks_no_more_than_it_has():
    journal, outcomes = MemoryJournal(), {}
    run = Run(plan_of(trials=8), journal, outcomes)
    while run.step():
        pass
    shorter = Run(plan_of(trials=5), journal, {})
    while shorter.step():
        pass
    assert {t.proposal for t in shorter.searches.trials.values()} == {0, 1, 2, 3, 4, None}
    assert len(shorter.outcomes) == 5 + 2


def test_a_proposal_of_several_seeds_is_told_their_mean_once_all_are_there():
    plan = plan_of(trials=2, seeds_per_group=2)
    searches, outcomes = StudySearches(plan, MemoryJournal()), {}
    first, second = searches.ask(1, 1, outcomes)
    assert first.hyperparameters == second.hyperparameters and {first.seed, second.seed} == {0, 1}
    member = next(iter(searches.members.values()))
    for trial, value in ((first, 0.2), (second, 0.6)):
        assert member.answers == {}
        outcomes[trial.id] = Outcome("done", {"val_f1": value})
        searches.take_outcome(trial.id, outcomes)
    assert member.answers == {0: ((pytest.approx(fmean([0.2, 0.6])),), None)}


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "nsga2"])
def test_two_metrics_are_told_and_the_winner_is_the_best_by_the_studys(sampler):
    """What is better when lower is turned; kills change nothing."""
    plan, journal, outcomes = plan_of(sampler, beside="ece", trials=20), MemoryJournal(), {}
    while len(outcomes) < 20:
        run = Run(plan, journal, outcomes)
        run.score = lambda trial: score(trial) | {"val_ece": trial.hyperparameters["clip"]}
        for _ in range(9):
            run.step()
    member = next(iter(run.searches.members.values()))
    for number, answer in member.answers.items():
        (trial,) = member.proposals[number].trials
        assert answer.values == (score(trial)["val_f1"], -trial.hyperparameters["clip"])
    assert member.sampling.study.directions == [optuna.study.StudyDirection.MAXIMIZE] * 2
    best = max((answer.values[0], -number) for number, answer in member.answers.items() if number > 0)
    winner = next(t for t in run.searches.trials.values() if t.design == "confirm" and t.group == 0)
    assert member.proposals[-best[1]].setting.items() <= winner.hyperparameters.items()


def test_a_trial_that_failed_is_told_and_told_again_when_it_ran_again():
    plan, journal = plan_of(trials=3), MemoryJournal()
    searches, outcomes = StudySearches(plan, journal), {}
    trials = searches.ask(3, 3, outcomes)
    for trial in trials:
        outcomes[trial.id] = Outcome("failed", {})
        searches.take_outcome(trial.id, outcomes)
    member = next(iter(searches.members.values()))
    nothing = (None, None)
    assert member.answers == {0: nothing, 1: nothing, 2: nothing} and member.is_over
    assert [t.group for t in searches.trials.values() if t.design == "confirm"] == [None], "the default alone"
    del outcomes[trials[1].id]
    again = StudySearches(plan, journal)
    assert again.start(outcomes) == [trials[1]]
    outcomes[trials[1].id] = Outcome("done", {"val_f1": 0.5})
    winners = again.take_outcome(trials[1].id, outcomes)
    assert {t.group for t in winners} == {None, 0}
    assert next(iter(again.members.values())).answers == {0: nothing, 1: ((0.5,), None), 2: nothing}


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_what_was_asked_stays_whatever_this_optuna_would_ask(sampler):
    """As after an update of Optuna: no record of an earlier run is lost."""
    plan, journal = plan_of(sampler), MemoryJournal()
    run = Run(plan, journal, {})
    for _ in range(5):
        run.step()
    changed = next(event for event in journal.events if event["proposal"] == 2)
    changed["setting"] = changed["setting"] | {"clip": 0.123}
    resumed = Run(plan, journal, {})
    assert {t.hyperparameters["clip"] for t in resumed.running if t.proposal == 2} == {0.123}


def test_a_lost_journal_is_made_again_of_the_records():
    plan, journal = plan_of(seeds_per_group=2), MemoryJournal()
    run = Run(plan, journal, {})
    for _ in range(9):
        run.step()
    recorded = [trial for i, trial in run.searches.trials.items() if i in run.outcomes]
    again, kept = StudySearches(plan, new := MemoryJournal()), settings(journal)
    again.adopt(recorded)
    assert {n: kept[n] for n in settings(new)} == settings(new) and len(settings(new)) >= 4
    missing = again.start(run.outcomes)
    assert not {t.id for t in missing} & run.outcomes.keys()
    again.adopt(recorded)
    assert len(settings(new)) == len([e for e in new.events if "setting" in e]), "and once"


def test_a_search_of_version_0_2_0_goes_on_from_its_batches():
    """Of the demo of then the first batch of eight, drawn at random, is recorded: it stays, eight are missing."""
    rows = csv.DictReader(RECORDED.open())
    known = {row["id"]: Outcome("done", {"val_f1": float(row["val_f1"] or 0)}) for row in rows}
    plan = make_planner(load_study("demo", AS_IT_WAS))
    searches = StudySearches(plan, MemoryJournal())
    for member in searches.members.values():
        searches.adopt(first_batch(plan, member.loss))
    assert searches.start(known) == [] and len(searches.trials) == 4 * 8 and searches.trials.keys() < known.keys()
    assert {trial.proposal for trial in searches.ask(4, 1, known)} == {8}


def first_batch(plan, loss):
    """What the search of a loss asked first then, by Optuna alone."""
    seed = zlib.crc32(f"0 {search_stream(loss)} 0".encode())
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8))
    asked = [study.ask(distributions(plan.config.axes(loss))) for _ in range(8)]
    return [plan.trial(loss, t.params, 0, "search", group=0, proposal=t.number) for t in asked]


def test_a_long_search_lets_its_sampler_see_the_best_and_the_latest():
    """And all that runs; nothing else depends on it."""
    plan, outcomes, most = planner("designs.search.trials=700", "designs.search.batch=50"), {}, 0
    searches = StudySearches(plan, MemoryJournal())
    member = next(iter(searches.members.values()))
    member.sampling.sampler, running = "random", []
    while member.num_left:
        running += [t for t in searches.ask(50, 1, outcomes) if t.label == member.loss.label]
        for trial in running[:25]:
            outcomes[trial.id] = Outcome("done", score(trial))
            searches.take_outcome(trial.id, outcomes)
        most, running = max(most, len(member.sampling.study.trials)), running[25:]
    assert NUM_KEPT <= most <= MAX_SEEN + 50 and len(member.answers) + len(running) == 700
