"""Seeds where they decide: what looks cost, who gets more seeds, and that the records alone say so."""

import json

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.page.page import render
from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.spending import error_at, level_at, nominal_levels
from evenkeel.reports.table.memo import with_cache
from evenkeel.reports.verdict.family import judgements
from evenkeel.reports.verdict.looks import Place, decided_part, follow_looks, num_planned, say_looks, upto
from evenkeel.study.cli import main
from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.file.seeds import first_seeds
from evenkeel.study.plan.adaptive_seeds import first_due, place_of
from tests.data.makers import write
from tests.drawn_study import DrawnStudy, planner

LOOKS = (6, 9, 13, 20)


def test_bounds_of_equal_steps_are_those_that_were_published():
    """Four equal steps, two-sided 5 %, spent as Pocock's: Lan and DeMets 1983; Reboussin and others 2000, table 1."""
    bounds = stats.norm.isf(nominal_levels((5, 10, 15, 20), 0.0, 0.025))
    assert bounds == pytest.approx([2.368, 2.368, 2.358, 2.350], abs=1e-3)


@pytest.mark.parametrize("fixed", [0.0, 0.3])
def test_all_looks_together_err_as_often_as_promised(rng, fixed):
    draws_DS = rng.normal(size=(100_000, LOOKS[-1]))
    shared_D = np.sqrt(fixed) * rng.normal(size=100_000)
    means_DK = np.stack([draws_DS[:, :n].mean(1) + shared_D for n in LOOKS], axis=-1)
    bounds_K = stats.norm.isf(nominal_levels(LOOKS, fixed, 0.05)) * np.sqrt(fixed + 1 / np.array(LOOKS))
    crossed_K = (means_DK > bounds_K).sum(0)
    assert (means_DK > bounds_K).any(1).mean() == pytest.approx(0.05, abs=0.003)
    assert (crossed_K > 0).all()


def test_p_values_count_all_looks():
    seeds, fixed = np.array([4, 6, 8, 20, 30]), np.array([0.0, 0.3, 0.3, 2.0, 99.0])
    levels = level_at(0.01, seeds, fixed, LOOKS)
    assert (levels < 0.01).all()
    assert levels[[0, 3]] == pytest.approx([nominal_levels(LOOKS, 0.0, 0.01)[0], nominal_levels(LOOKS, 2.0, 0.01)[3]])
    assert error_at(levels, seeds, fixed, LOOKS) == pytest.approx(0.01, rel=1e-3)
    assert level_at(0.01, seeds, fixed, ()) == pytest.approx(0.01)
    assert (error_at(levels, seeds, fixed, ()) == levels).all()


def test_intervals_are_wider_by_what_the_looks_cost(rng):
    values_KS = rng.normal(size=(3, 6))
    once, looked = (Estimates.of_values(values_KS, np.zeros(3), shared=0.0, looks=looks) for looks in ((), LOOKS))
    quantiles = stats.t.isf([0.025, nominal_levels(LOOKS, 0.0, 0.025)[0]], 5)
    assert looked.half_widths(0.025) / once.half_widths(0.025) == pytest.approx(quantiles[1] / quantiles[0])
    assert (looked.two_sided_p() > once.two_sided_p()).all()


def test_a_study_file_says_from_where_to_where():
    study = load_study("demo", ["seeds={from: 6, to: 20}", "designs.search=null"])
    assert (study.looks, first_seeds(study.seeds), study.all_seeds) == (LOOKS, list(range(6)), list(range(20)))
    assert study.model_dump(mode="json")["seeds"] == {"from": 6, "to": 20}
    assert load_study("demo", ["seeds={from: 5, to: 6}"]).looks == (5, 6)
    assert load_study("demo", ["seeds=6"]).looks == ()


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("{from: 4, to: 20}", "seeds: from must be at least 5"),
        ("{from: 9, to: 9}", "got from 9 to 9; write seeds: {from: 6, to: 20}"),
        ("{from: 6}", "seeds.to: Field required"),
        ("{from: 6, till: 20}", "seeds: unknown key 'till'"),
        ("{from: x, to: 20}", "seeds.from: Input should be a valid integer"),
    ],
)
def test_what_is_no_range_of_seeds_is_refused(seeds, said):
    with pytest.raises(UserError, match="the study is not valid") as error:
        load_study("demo", [f"seeds={seeds}"])
    assert said in str(error.value)


SMALL = ["designs.sobol.m=1", "designs.sweep={levels: 4, hyperparameters: [clip, gamma_neg]}"]
ADAPTIVE = [*SMALL, "seeds={from: 6, to: 20}"]


def test_trials_are_those_of_a_study_of_so_many_seeds():
    adaptive, fixed = planner(*ADAPTIVE), planner(*SMALL, "seeds=6")
    possible, due = adaptive.planned(), first_due(adaptive.config, adaptive.planned())
    assert {trial.id for trial in due} == {trial.id for trial in fixed.planned()}
    assert {trial.seed for trial in possible if trial.design == "sobol"} == set(range(6))
    assert {trial.seed for trial in possible if trial.design == "sweep"} == set(range(20))
    seeds = [trial.seed for trial in due if trial.design == "sweep"]
    assert seeds == sorted(seeds)


@pytest.fixture(scope="module")
def recorded_study():
    """Levels of clip are steady, of gamma_neg sensitive for asl, near for ral."""
    rng, drops = np.random.default_rng(1), {"asl": 0.03, "ral": 0.0068}
    study = DrawnStudy(
        planner(*ADAPTIVE, "margin=0.01", "metric=map", "vary=[init, order]"),
        lambda trial: 0.7 - drops[trial.label] * (trial.moved == "gamma_neg") + 0.004 * rng.normal(),
    )
    study.recorded = list(study.run(np.random.default_rng(0)))
    return study


def test_the_trials_are_the_same_whatever_ends_first_and_wherever_it_is_killed(recorded_study):
    whole = set(recorded_study.recorded)
    assert len(whole) == len(recorded_study.recorded) < len(recorded_study.sweep)
    assert recorded_study.resumed(3, 90) == [whole, whole]


def test_more_seeds_go_to_open_levels_and_their_default(recorded_study):
    by_place = {}
    for trial in recorded_study.sweep:
        if trial.id in recorded_study.recorded:
            by_place.setdefault(place_of(trial), []).append(trial.seed)
    num_asl, num_ral = (
        {len(s) for place, s in by_place.items() if place[:2] == (loss, "gamma_neg")} for loss in ("asl", "ral")
    )
    assert num_asl == {6}  # sensitive at once
    assert max(num_ral) > 6
    assert len(by_place[Place("ral")]) == max(num_ral)
    assert all(seeds == list(range(len(seeds))) for seeds in by_place.values())


def test_the_verdicts_that_decided_are_those_of_the_page(recorded_study):
    table = recorded_study.table([t for t in recorded_study.sweep if t.id in recorded_study.recorded])
    progress = follow_looks(table)
    assert progress.due == progress.decided
    assert not progress.going_on
    assert len(upto(table, progress.due)) == len(table) == num_planned(table)
    assert decided_part(table) is table
    assert judgements(table)["asl", "gamma_neg"].status == "sensitive"
    lines = say_looks(table)
    assert lines[0].startswith("Seeds go where they decide, in looks at 6, 9, 13 and 20: ")
    assert all(line in render(with_cache(table, recorded_study.facts)) for line in lines)


def test_a_page_of_a_look_that_is_not_complete_shows_the_last_one(recorded_study):
    first = 6 * 14  # two losses, a default and three levels of each of two hyperparameters
    num = len(recorded_study.recorded)
    part = [t for t in recorded_study.sweep if t.id in recorded_study.recorded[: num - 1]]
    shown = decided_part(recorded_study.table(part))
    assert first <= len(shown) < num - 1
    assert any(line.startswith("More seeds are due for ") for line in say_looks(shown))
    assert num_planned(shown) > len(shown)
    unfinished = recorded_study.table(part[:10])
    assert decided_part(unfinished) is unfinished
    assert say_looks(unfinished) == []


FUNCTION = """
import numpy as np

def train(seed, a=0.0):
    score = 0.7 + 0.035 * (a > 0) * np.random.default_rng(seed).normal()
    return {"val": {"accuracy": score}, "test": {"accuracy": score}}
"""
FILE = """
name: looks
trainable: {name: "train.py:train"}
spaces: {a: {low: 0.0, high: 1.0}}
designs: {sweep: {levels: 2}}
seeds: {from: 5, to: 8}
metric: accuracy
margin: 0.02
"""


def test_plan_run_and_status_say_how_far_it_is(tmp_path, monkeypatch, untracked, capsys):
    monkeypatch.chdir(write(tmp_path, {"train.py": FUNCTION, "study.yaml": FILE}))
    main(["plan", "study.yaml"])
    assert "looks at 5, 8 seeds: at least 10 trials, likely about 10, at most 16" in capsys.readouterr().out
    assert main(["run", "study.yaml", "--serial", "--track-later"]) == 0
    assert "16 trials, 10 already recorded" in capsys.readouterr().err
    main(["status", "study.yaml", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["total"]["missing"], told["total"]["done"]) == (0, 16)
    assert told["looks"][0].startswith("Seeds go where they decide, in looks at 5 and 8: ")
