"""Proposals that end early: Optuna decides, as it does alone; what was decided stays; nothing else ends early."""

import math
import random
import re
from dataclasses import replace

import optuna
import pytest

from evenkeel.search_spaces.optuna_pruning import PRUNERS, CurvePruner
from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.search_journal import SearchJournal
from evenkeel.study.records.table import table_from_ledger
from evenkeel.study.run.search_judge import EndedCurve, SearchJudge
from evenkeel.study.run.serial_runner import SerialRunner
from evenkeel.study.run.worker import run_pack
from evenkeel.trainables import TRAINABLES, TrainableError
from evenkeel.trainables.epochs import judged_by
from tests.test_engine import run
from tests.test_probe import trial
from tests.test_trainables import SETTINGS, Squares

EPOCHS, RUNNING = 9, 4
CURVES = [
    [1 - math.exp(-epoch / 3) - 0.02 * ((7 * number) % 20) for epoch in range(1, EPOCHS + 1)] for number in range(20)
]


def stops(report, finish, numbers, after=lambda: None):
    """After which epoch each ends, when four train at once and take their epochs in turns drawn by a seed."""
    order, waiting, running, ends = random.Random(1), list(numbers), {}, {}
    while waiting or running:
        while waiting and len(running) < RUNNING:
            running[waiting.pop(0)] = 0
        number = order.choice(sorted(running))
        running[number] += 1
        epoch = running[number]
        if epoch == EPOCHS or report(number, epoch, CURVES[number][epoch - 1]):
            ends[number] = running.pop(number)
            if epoch == EPOCHS:
                finish(number)
        after()
    return ends


@pytest.mark.parametrize("name", PRUNERS)
def test_trials_end_where_optunas_own_pruner_ends_them(name):
    pruner = {
        "median": optuna.pruners.MedianPruner(),
        "hyperband": optuna.pruners.HyperbandPruner(max_resource=EPOCHS),
        "asha": optuna.pruners.SuccessiveHalvingPruner(min_resource=1),
    }[name]
    study = optuna.create_study(study_name="s", direction="maximize", pruner=pruner)
    trials = [study.ask() for _ in CURVES]

    def report(number, epoch, value):
        trials[number].report(value, epoch)
        if trials[number].should_prune():
            study.tell(trials[number], state=optuna.trial.TrialState.PRUNED)
            return True
        return False

    expected = stops(report, lambda number: study.tell(trials[number], CURVES[number][-1]), range(len(CURVES)))
    ours = CurvePruner(name, EPOCHS, "s")
    assert stops(ours.report, ours.finish, range(len(CURVES))) == expected
    assert 0 < sum(end < EPOCHS for end in expected.values()) < len(CURVES)


@pytest.mark.parametrize("name", PRUNERS)
def test_curves_alone_bring_a_search_back(name):
    whole = CurvePruner(name, EPOCHS, "s")
    first = stops(whole.report, whole.finish, range(10))
    later = stops(whole.report, whole.finish, range(10, 20))
    again = CurvePruner(name, EPOCHS, "s")
    for number, end in first.items():
        again.restore(number, CURVES[number][:end], stopped=end < EPOCHS)
    assert stops(again.report, again.finish, range(10, 20)) == later


def test_what_was_stopped_is_stopped_there_again_and_says_why():
    """Lower is better here; the first trial is recorded."""
    trials = [replace(trial(gamma_neg=float(n)), design="search", group=0, proposal=n) for n in range(3)]
    judge = SearchJudge("asha", "val_f1", -1, EPOCHS, [EndedCurve(trials[0], [0.5, None, 0.3], stopped=False)])
    reasons = [judge.stop_reason(t, 1, {"val_f1": s}) for t, s in zip(trials[1:], (0.75, 0.4), strict=True)]
    assert reasons == ["stopped by asha after epoch 1: val_f1 0.75; proposals had 0: 0.5", None]
    assert judge.stop_reason(trials[1], 1, {"val_f1": 0.75}) == reasons[0]
    with pytest.raises(TrainableError, match=r"looks at val_f1, and report\(epoch=2, ...\) was given val_map"):
        judge.stop_reason(trials[0], 2, {"val_map": 0.1})


TRAIN = """
import math
from pathlib import Path

def train(seed, report, rate=0.5, epochs=9):
    for epoch in range(epochs):
        report(epoch, val_accuracy=(1 - math.exp(-epoch / 3)) * (1 - (rate - 0.8) ** 2))
        with open(Path(__file__).with_name("epochs.txt"), "a") as file:
            file.write(".")
    score = (1 - math.exp(-epochs / 3)) * (1 - (rate - 0.8) ** 2)
    return {split: {"accuracy": score} for split in ("val", "test")}
"""
STUDY = """
name: tiny
trainable: {name: "MODULE.py:train"}
spaces: {rate: {low: 0.0, high: 1.0}}
designs: {sweep: {levels: 3}, search: {trials: 14, batch: 2, fresh_seeds: 2, pruner: asha}}
seeds: 2
metric: accuracy
resources: {pack_size: 1}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{tmp_path.name}.py").write_text(TRAIN)
    (tmp_path / "study.yaml").write_text(STUDY.replace("MODULE", tmp_path.name))
    return tmp_path / "study.yaml"


def records(storage):
    return list(Ledger(str(storage), "tiny").read_all().values())


def test_only_proposals_end_early_and_winners_run_in_full(study, tmp_path, untracked):
    outcome, _ = run(study, tmp_path / "st")
    ended = records(tmp_path / "st")
    stopped = [r for r in ended if r.state == "censored"]
    assert stopped and {r.trial.design for r in stopped} == {"search"} and len(ended) == 2 * 3 + 14 + 2 * 2
    assert all(r.epochs_done == len(r.curves["val_accuracy"]) < 9 and r.metrics == {} for r in stopped)
    assert all(re.match(r"stopped by asha after epoch \d: val_accuracy 0\.\d+; proposals had", r.note) for r in stopped)
    assert all(r.epochs_done == 9 and r.state == "done" for r in ended if r not in stopped)
    epochs = sum(r.epochs_done for r in ended) - len(stopped)  # a stopped one never came back from its last report
    assert len((tmp_path / "epochs.txt").read_text()) == epochs
    table = table_from_ledger(Ledger(str(tmp_path / "st"), "tiny"))
    assert (table.state == "censored").sum() == len(stopped)
    winner = next(r.trial.setting["rate"] for r in ended if r.trial.design == "confirm" and r.trial.group == 0)
    proposed = [r for r in ended if r.trial.design == "search" and "rate" in r.trial.setting and r.state == "done"]
    assert winner == max(proposed, key=lambda r: r.metrics["val_accuracy"]).trial.setting["rate"]


def test_a_killed_search_keeps_what_was_stopped_and_the_sampler_is_told(study, tmp_path, untracked):
    class Dies(Exception): ...

    def run_some(num):
        class Killed(SerialRunner):
            def run(self, queue, context, say, fail):
                for _ in range(num):
                    pack = queue.next_pack()
                    queue.finish(pack.number, run_pack(pack, context))
                raise Dies

        with pytest.raises(Dies):
            run(study, tmp_path / "st", runner=Killed)
        return {r.id: (r.state, r.note) for r in records(tmp_path / "st")}

    before = run_some(13)
    assert {state for state, _ in before.values()} == {"done", "censored"}
    run(study, tmp_path / "st")
    after = {r.id: (r.state, r.note) for r in records(tmp_path / "st")}
    assert before.items() <= after.items() and len(after) == 2 * 3 + 14 + 2 * 2
    answers = [e for e in SearchJournal(Folder(str(tmp_path / "st")), print).read() if "values" in e]
    curves = {r.trial.proposal: r.curves["val_accuracy"] for r in records(tmp_path / "st") if r.state == "censored"}
    stopped = {e["proposal"]: (e["epoch"], e["values"]) for e in answers if "epoch" in e}
    assert stopped == {number: (len(curves[number]), [curves[number][-1]]) for number in stopped}
    assert set(curves) - set(stopped) <= {12, 13}, "what ended last is told when somebody asks again"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["designs.sweep={levels: 3, pruner: median}"], r"designs.* sweep.pruner: .* biases the curves"),
        (["designs.sobol={m: 3, pruner: median}"], r"sobol.pruner: .* biases the curves; only designs.search takes"),
        (["designs.search.pruner=median"], r"probe ends no trial of a pack before the others; leave the pruner out"),
    ],
)
def test_where_nothing_can_end_early_a_pruner_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        load_study("demo", changes)


def test_a_function_that_reports_nothing_takes_no_pruner(study, tmp_path):
    with pytest.raises(UserError, match="a proposal that is averaged over seeds is not stopped by one of them"):
        load_study(str(study), ["designs.search.seeds_per_group=2"])
    with pytest.raises(UserError, match=r"py:train reports no epochs; let it take `report`"):
        silent = TRAIN.replace("seed, report,", "seed,").replace("report(", "print(")
        load_study(write_study(tmp_path, "silent_code", silent))
    with pytest.raises(UserError, match="hyperband must know how many epochs a trial has; let the function take"):
        endless = TRAIN.replace("rate=0.5, epochs=9", "rate=0.5").replace("epochs)", "9)").replace("-epochs", "-9")
        load_study(write_study(tmp_path, "endless_code", endless), ["designs.search.pruner=hyperband"])


def write_study(folder, name, code):
    (folder / f"{name}.py").write_text(code)
    (folder / f"{name}.yaml").write_text(STUDY.replace("MODULE", name))
    return str(folder / f"{name}.yaml")


class Sceptic:
    """Ends every trial after its second epoch."""

    def stop_reason(self, trial, epoch, scores):
        return f"no more than {scores}" if epoch == 2 else None


@pytest.mark.parametrize("name", ["finetune", "lm-clip"])
def test_trainables_end_a_searched_trial_and_no_other(name, tmp_path):
    settings = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name], "epochs": 3})
    worker = settings.worker()
    prepared = worker.prepare(Squares(), tmp_path, "cpu")
    trials = [replace(trial(settings={"epochs": 3}), design=design) for design in ("search", "sweep")]
    with judged_by(Sceptic()):
        (_, stopped), (_, whole) = worker.run(trials, prepared, tmp_path)
    assert (stopped.state, stopped.epochs_done, whole.state, whole.epochs_done) == ("censored", 2, "done", 3)
    assert stopped.curves == {name: values[:2] for name, values in whole.curves.items()} and stopped.metrics == {}
    assert settings.epoch_score in stopped.note
