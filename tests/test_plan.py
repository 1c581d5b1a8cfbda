"""The demo's plan is what it was: a changed id would orphan every record that anybody has."""

import csv
from pathlib import Path

from study.file.read import load_study
from study.plan.known import Known
from study.plan.search import Searches
from study.run.engine import planner_of

RECORDED = Path(__file__).with_name("demo_plan.csv")
"""Id and design of every trial of the demo of version 0.2.0, with the validation score of the searched ones."""


def test_all_ids_of_the_demo_are_those_of_version_0_2_0():
    rows = list(csv.DictReader(RECORDED.open()))
    known = {row["id"]: Known("done", {"val_f1": float(row["val_f1"] or 0)}) for row in rows}
    planner = planner_of(load_study("demo"))
    searches = Searches(planner)
    assert searches.start(known) == []
    ids = [trial.id for trial in planner.planned()] + list(searches.trials)
    assert sorted(ids) == sorted(row["id"] for row in rows) and len(ids) == 1084


def test_a_swept_trial_says_what_moved():
    planner = planner_of(load_study("demo"))
    for trial in planner.planned():
        default = next(loss for loss in planner.config.losses if loss.label == trial.label).setting()
        moved = [name for name, value in trial.hyperparameters.items() if value != default[name]]
        assert trial.moved == (moved[0] if trial.design == "sweep" and moved else None)
