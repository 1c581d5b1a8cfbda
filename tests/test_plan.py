"""The demo's plan is what it was: a changed id would orphan every record that anybody has."""

import csv
from pathlib import Path

import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.plan.study_searches import StudySearches
from tests.test_pack_queue import MemoryJournal

RECORDED = Path(__file__).with_name("demo_plan.csv")
"""Id and design of every trial of the demo of version 0.2.0, with the validation score of the searched ones
(tests/test_search.py)."""


AS_IT_WAS = [
    "seeds=6",
    "vary=null",
    "losses=[bce, "
    "{loss: asl, fixed: {focusing: full}, levels: {gamma_neg: [0, 4, 6, 9, 12]}}, "
    "{loss: apl, fixed: {focusing: full}, levels: {gamma_neg: [0, 4, 6, 9, 12]}}, "
    "{loss: ral, fixed: {focusing: full}, levels: {gamma_neg: [0, 4, 6, 9, 12]}}, "
    "{loss: bal-eq4, label: bal, fixed: {focusing: full}, levels: {gamma_neg: [0, 3, 6, 9.8, 12]}}]",
]
"""What the demo of version 0.2.0 had: six seeds that say nothing of what they vary, levels by loss."""


def test_all_planned_ids_of_the_demo_of_version_0_2_0_are_what_they_were():
    rows = [row for row in csv.DictReader(RECORDED.open()) if row["design"] in ("sweep", "sobol")]
    ids = [trial.id for trial in make_planner(load_study("demo", AS_IT_WAS)).planned()]
    assert sorted(ids) == sorted(row["id"] for row in rows)


def test_losses_that_share_a_hyperparameter_share_its_levels():
    config = load_study("demo")
    levels = {loss.label: config.sweep_levels(loss) for loss in config.losses}
    assert {tuple(own["gamma_neg"]) for own in levels.values() if own} == {(0, 4, 6, 9.8, 12)}
    alone = load_study("demo", ["losses=[{loss: asl, fixed: {focusing: full}}]"])
    assert alone.sweep_levels(alone.losses[0])["gamma_neg"] == [0, 4, 6, 9, 12]


def test_a_swept_trial_says_what_moved():
    planner = make_planner(load_study("demo"))
    for trial in planner.planned():
        default = next(loss for loss in planner.config.losses if loss.label == trial.label).setting()
        moved = [name for name, value in trial.hyperparameters.items() if value != default[name]]
        assert trial.moved == (moved[0] if trial.design == "sweep" and moved else None)


SPACES = """
extends: demo
name: rates
losses: [bce, {loss: ral, fixed: {focusing: full}}]
spaces: {lr: {low: 0.001, high: 0.1, log: true, symbol: η}, hidden: {options: [0, 16]}}
designs: {sweep: {levels: 3, hyperparameters: [lr, hidden, clip]}, sobol: {m: 2}, search: {trials: 4, batch: 4}}
"""


def test_settings_of_the_trainable_vary_like_hyperparameters(tmp_path):
    path = tmp_path / "rates.yaml"
    path.write_text(SPACES)
    planner, plain = make_planner(load_study(str(path))), make_planner(load_study("demo"))
    planned = planner.planned()
    swept = [t for t in planned if t.design == "sweep" and t.label == "bce" and t.seed == 0]
    assert [(t.moved, t.settings) for t in swept] == [
        (None, {}), ("lr", {"lr": 0.001}), ("lr", {"lr": 0.1}), ("hidden", {"hidden": 16})
    ]  # fmt: skip
    assert swept[0].id in {t.id for t in plain.planned()}, "at the default it is the trial it always was"
    points = [t for t in planned if t.design == "sobol" and t.label == "ral" and t.seed == 0]
    assert len({t.settings["lr"] for t in points}) == 4 and all(0.001 <= t.settings["lr"] <= 0.1 for t in points)
    shared = [t for t in planned if t.design == "sobol" and t.label == "bce" and t.seed == 0]
    assert [t.settings for t in shared] == [t.settings for t in points], "losses share the points of what they share"
    asked = StudySearches(planner, MemoryJournal()).ask(4, 1, {})
    assert {t.label for t in asked} == {"bce", "ral"} and all(
        t.hyperparameters.keys().isdisjoint(["lr"]) for t in asked
    )


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ("{lrr: {low: 0.1, high: 1}}", "the trainable has no setting 'lrr'; did you mean 'lr'"),
        ("{lr: {low: 0.1, high: 1}}", r"own value of lr must lie in \[0.1, 1\], got 0.005"),
        ("{lr: {low: 0.001}}", "spaces.lr: give low and high, or options"),
        ("{lr: {low: -1, high: 1}}", "Input should be greater than 0"),
        ("{hidden: {options: [8, 16]}}", "own value of hidden must be one of 8, 16, got 0"),
    ],
)
def test_ranges_that_cannot_be_are_named(tmp_path, spaces, message):
    path = tmp_path / "rates.yaml"
    path.write_text(f"extends: demo\nname: rates\nspaces: {spaces}\n")
    with pytest.raises(UserError, match=message):
        load_study(str(path))


def test_a_loss_with_its_own_settings_is_another_trial_and_the_others_stay():
    """Settings are in its trials alone, where they differ from the study's; ids of the others do not move."""
    plain = ["losses=[bce, {loss: bce, label: slow}]", "designs={sweep: {levels: 2}}"]
    own = ["losses=[bce, {loss: bce, label: slow, settings: {epochs: 7}}]", "designs={sweep: {levels: 2}}"]
    same = {trial.id for trial in make_planner(load_study("demo", plain)).planned()}
    trials = make_planner(load_study("demo", own)).planned()
    assert {trial.label: trial.settings for trial in trials} == {"bce": {}, "slow": {"epochs": 7}}
    assert {trial.id for trial in trials if trial.label == "bce"} == same
    assert not {trial.id for trial in trials if trial.label == "slow"} & same
