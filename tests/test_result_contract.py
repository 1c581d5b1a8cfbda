"""What a trainable hands back: one bad result costs its own trial, in a line; what never ends is given up."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from evenkeel.study.run.time_limit import limit_time
from evenkeel.trainables.contract import check_data_set, check_trainable
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.measures import ALWAYS
from evenkeel.trainables.own_identity import own_identity
from evenkeel.trainables.result import Result
from evenkeel.trainables.result_contract import checked_results, declared_metrics
from tests.test_trainables import SETTINGS, TRAINABLES, Squares, trial

PLACE = Path("/data/working")
TRIALS = [trial(seed=seed) for seed in range(3)]
GOOD = Result(state="done", metrics={"val_f1": 0.5, "test_map_tail": None}, curves={"train_loss": [1.0, None]})


class Worker:
    """What is refused bears this name."""


def received(*pairs):
    """(ids of the results that come through, the complaint)"""
    ids, complaint = [], ""
    try:
        for member, _ in checked_results(Worker(), TRIALS, iter(pairs), ALWAYS, PLACE):
            ids.append(member.id)
    except TrainableError as error:
        complaint = str(error)
    return ids, complaint


def test_good_results_pass():
    assert received(*((t, GOOD) for t in TRIALS)) == ([t.id for t in TRIALS], "")


OTHERS = [(TRIALS[0], GOOD), (TRIALS[1], GOOD)]
BROKEN = {
    "omitted": ([], "gave no result for 1 of 3 trials"),
    "doubled": ([(TRIALS[0], GOOD), (TRIALS[2], GOOD)], "gave a result twice, or for a trial that it was not given"),
    "not asked for": ([(trial(seed=9), GOOD), (TRIALS[2], GOOD)], "for a trial that it was not given (ral, "),
    "no pair": ([GOOD], "must yield (Trial, Result), got Result"),
    "state": ([(TRIALS[2], replace(GOOD, state="fine"))], "gave the state 'fine', not one of done, "),
    "undeclared": ([(TRIALS[2], replace(GOOD, metrics={"val_ff1": 1.0}))], "'val_ff1', which no measure declares; did"),
    "text": ([(TRIALS[2], replace(GOOD, metrics={"val_f1": "0.5"}))], "gave val_f1 = '0.5', not a number up to"),
    "curve": ([(TRIALS[2], replace(GOOD, curves={"train_loss": 1.0}))], "gave curves['train_loss'] that is no list"),
    "metrics in a list": ([(TRIALS[2], replace(GOOD, metrics=[0.5]))], "gave metrics = [0.5], not numbers by name"),
    "no metrics": ([(TRIALS[2], replace(GOOD, metrics=None))], "gave metrics = None, not numbers by name (rule 5)"),
    "a numbered metric": ([(TRIALS[2], replace(GOOD, metrics={3: 0.5}))], "gave metrics = {3: 0.5}, not numbers by"),
    "past squaring": ([(TRIALS[2], replace(GOOD, metrics={"val_f1": 1e200}))], "gave val_f1 = 1e+200, not a number up"),
    "past floats": ([(TRIALS[2], replace(GOOD, metrics={"val_f1": 10**400}))], "gave val_f1 = 1000000"),
    "half an epoch": ([(TRIALS[2], replace(GOOD, epochs_done=1.5))], "gave epochs_done = 1.5, not a whole number"),
    "seconds in words": ([(TRIALS[2], replace(GOOD, wall_s="1 s"))], "gave wall_s = '1 s', not a number of seconds"),
    "a note in bytes": ([(TRIALS[2], replace(GOOD, note=b"x"))], "gave note = b'x', not a text or None (rule 5)"),
    "a file elsewhere": ([(TRIALS[2], replace(GOOD, files={"a": "/home/a"}))], "the file '/home/a', not a path below"),
    "a file above": ([(TRIALS[2], replace(GOOD, files={"a": "b/../../c"}))], "the file 'b/../../c', not a path below"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_result_costs_its_own_trial_and_is_named_in_a_line(case):
    pairs, words = BROKEN[case]
    ids, complaint = received(*OTHERS, *pairs)
    assert set(ids) >= {TRIALS[0].id, TRIALS[1].id} and len(ids) == len(set(ids))
    assert complaint.startswith("Worker.run ") and words in complaint and "\n" not in complaint


def test_a_trial_is_recorded_as_it_was_given_whatever_its_worker_made_of_it():
    pairs = ((replace(t, label="another"), GOOD) for t in TRIALS)
    assert [member for member, _ in checked_results(Worker(), TRIALS, pairs, ALWAYS, PLACE)] == TRIALS


def test_a_file_below_the_place_may_be_named_either_way():
    for path in ("one/scores.npz", "/data/working/one/scores.npz"):
        assert received(*((t, replace(GOOD, files={"scores": path})) for t in TRIALS))[1] == ""


def test_numbers_that_are_not_finite_are_left_to_the_record():
    odd = replace(GOOD, metrics={"val_f1": float("nan"), "test_f1": float("-inf")}, curves={"train_loss": [1, None]})
    assert received(*((t, odd) for t in TRIALS)) == ([t.id for t in TRIALS], "")


def test_every_metric_of_ours_is_declared(tmp_path):
    worker = TRAINABLES["probe"].model_validate({"name": "probe", **SETTINGS["probe"]}).worker()
    ((_, result),) = worker.run([trial()], worker.prepare(Squares(), tmp_path, "cpu"), tmp_path)
    assert set(result.metrics) <= declared_metrics(ALWAYS)


class Changing(Squares):
    name: str = "own:Changing"

    def fingerprint(self):
        return str(time.perf_counter())


class Uncounted(Squares):
    name: str = "own:Uncounted"
    gives: object = None

    def fingerprint(self):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (float("nan"), "fingerprint() must give numbers, texts, lists and None only (ValueError: Out of range"),
        (b"x", "fingerprint() must give numbers, texts, lists and None only (TypeError: Object of type bytes"),
        (KeyError("weights"), "fingerprint() must give numbers, texts, lists and None only (KeyError: 'weights')"),
    ],
)
def test_a_fingerprint_that_json_does_not_have_is_refused(gives, words):
    with pytest.raises(TrainableError) as refused:
        check_data_set(Uncounted(gives=gives))
    assert str(refused.value).startswith(f"data: own:Uncounted: {words}")


@pytest.mark.parametrize("gives", [["a"], None, "text"])
def test_an_identity_that_has_no_names_is_refused(gives):
    with pytest.raises(TrainableError, match=r"trainable: own:T: identity\(\) must give values by name, got "):
        own_identity("trainable: own:T", lambda: gives)
    assert own_identity("trainable: own:T", lambda: {"a": 1}) == {"a": 1}


class Odd(TRAINABLES["probe"]):
    def summary(self):
        return {"model": 3}


def odd_trainable():
    return Odd.model_validate({"name": "probe", **SETTINGS["probe"]})


def test_a_data_set_that_changes_between_two_calls_is_refused():
    check_data_set(Squares())
    with pytest.raises(TrainableError, match=r"data: own:Changing: fingerprint\(\) gives something else the second"):
        check_data_set(Changing())


def test_a_trainable_whose_summary_is_no_text_is_refused():
    with pytest.raises(
        TrainableError, match=r"trainable: probe: summary\(\) must give texts by name, got {'model': 3}"
    ):
        check_trainable(odd_trainable(), Squares())


def endless():
    yield 1
    while True:
        time.sleep(0.01)


def test_what_never_ends_is_interrupted_and_results_before_are_kept():
    taken = []
    with pytest.raises(TrainableError, match=r"resources.trial_limit, 0.1 seconds a trial"):
        for number in limit_time(endless(), 0.3, 0.1):
            taken.append(number)
    assert taken == [1]
    assert list(limit_time(iter([1, 2]), 5, 5)) == [1, 2] == list(limit_time(iter([1, 2]), None, None))
