"""Levels that go finer where the curve falls: which are due, that the records alone say so, what a page then claims."""

import json

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.page.page import render
from evenkeel.reports.sections.contrasts import Contrasts
from evenkeel.reports.table.designs import sweep_of
from evenkeel.reports.table.memo import with_cache
from evenkeel.reports.verdict.family import family_of, judgements
from evenkeel.reports.verdict.finer_levels import chances_fallen
from evenkeel.reports.verdict.looks import decided_part, follow_looks, num_planned, say_looks
from evenkeel.reports.verdict.verdict import ALONE, deciding_interval, estimates_of
from evenkeel.study.cli import main
from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.adaptive_seeds import first_due, place_of
from tests.data.makers import write
from tests.drawn_study import DrawnStudy, planner

NAMES = "hyperparameters: [clip, gamma_neg]"
FINER = f"designs.sweep={{levels: {{coarse: 3, to: 9}}, {NAMES}}}"
FULL = f"designs.sweep={{levels: 9, {NAMES}}}"
SMALL = ["designs.sobol=null", "seeds=6"]
MARGIN = 0.01


def test_trials_are_among_those_of_a_full_sweep():
    finer, full = (planner(*SMALL, sweep) for sweep in (FINER, FULL))
    assert [trial.id for trial in finer.planned()] == [trial.id for trial in full.planned()]
    due = first_due(finer.config, finer.planned())
    for loss in finer.config.losses:
        coarse, levels = finer.config.coarse_levels(loss), finer.config.sweep_levels(loss)
        for name, placed in coarse.items():
            defaults = {finer.config.defaults(other)[name] for other in finer.config.losses}
            assert set(placed) == {levels[name][0], levels[name][4], levels[name][8], *defaults}
        own = {(t.moved, t.setting[t.moved]) for t in due if t.label == loss.label and t.moved}
        default = finer.config.defaults(loss)
        assert own == {(name, v) for name, placed in coarse.items() for v in placed if v != default[name]}


def test_listed_levels_and_options_all_run():
    listed = "losses=[{loss: ral, fixed: {focusing: full}, levels: {clip: [0, 0.05, 0.1, 0.2]}}]"
    study = load_study("demo", [listed, FINER, "designs.search=null"])
    assert study.coarse_levels(study.losses[0])["clip"] == [0, 0.05, 0.1, 0.2]
    assert len(study.coarse_levels(study.losses[0])["gamma_neg"]) == 4 < 9


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ("{coarse: 1, to: 9}", "coarse must be at least 2, to more than that and at most 1,001, got coarse 1 to 9"),
        ("{coarse: 9, to: 9}", "write levels: {coarse: 3, to: 9}"),
        ("{coarse: 3}", "designs.sweep.levels.to: Field required"),
        ("{coarse: 3, till: 9}", "designs.sweep.levels: unknown key 'till'"),
        ("1", "designs.sweep.levels: must be a whole number from 2 to 1,001, or {coarse: 3, to: 9}, got 1"),
        ("many", "got 'many'; write levels: 5"),
    ],
)
def test_what_is_no_range_of_levels_is_refused(levels, said):
    with pytest.raises(UserError, match="the study is not valid") as error:
        load_study("demo", [f"designs.sweep={{levels: {levels}}}"])
    assert said in str(error.value)


def test_finer_levels_take_seeds_enough_for_intervals():
    with pytest.raises(
        UserError, match=r"designs.sweep.levels: finer levels go by intervals, which take 5 seeds, got 3"
    ):
        load_study("demo", [FINER, "seeds=3", "designs.search=null"])


def curve(label, name, level):
    """By clip ASL falls by five margins beyond 0.2, RAL by two from 0.1 to 0.2; gamma_neg does nothing."""
    if name == "clip":
        return -5 * MARGIN * (level > 0.2) if label == "asl" else -2 * MARGIN * np.clip((level - 0.1) / 0.1, 0, 1)
    return 0.0


def drawn_study(*overrides, noise=0.001):
    rng = np.random.default_rng(0)

    def score(trial):
        moved = curve(trial.label, trial.moved, trial.setting[trial.moved]) if trial.moved else 0
        return 0.7 + moved + noise * rng.normal()

    own = [f"margin={MARGIN}", "metric=map", "vary=[init, order]", *overrides]
    return DrawnStudy(planner(*SMALL, FINER, *own), score)


@pytest.fixture(scope="module")
def recorded():
    study = drawn_study()
    study.done = study.run(np.random.default_rng(0))
    return study


def levels_of(trials, label, name):
    return sorted({t.setting[name] for t in trials if t.label == label and t.moved == name})


def test_levels_are_halved_down_to_where_the_curve_falls(recorded):
    """By the truth: only the gap that holds the fall is halved, until its ends are neighbours."""
    config, trials = recorded.planner.config, recorded.done.values()
    for loss in config.losses:
        for name, planned in config.sweep_levels(loss).items():
            kept = {planned.index(level) for level in config.coarse_levels(loss)[name]}
            has_fallen = [curve(loss.label, name, level) < -MARGIN for level in planned]
            while True:
                gaps = [(low, high) for low, high in zip(sorted(kept), sorted(kept)[1:], strict=False)
                        if high - low > 1 and has_fallen[low] != has_fallen[high]]  # fmt: skip
                if not gaps:
                    break
                kept |= {(low + high) // 2 for low, high in gaps}
            default = config.defaults(loss)[name]
            assert levels_of(trials, loss.label, name) == [planned[i] for i in sorted(kept) if planned[i] != default]
    assert len(recorded.done) < len(recorded.sweep)


def test_the_trials_are_the_same_whatever_ends_first_and_wherever_it_is_killed(recorded):
    whole = set(recorded.done)
    assert recorded.resumed(3, len(whole) - 1) == [whole, whole]


def test_seeds_and_levels_go_where_they_decide_together():
    study = drawn_study("seeds={from: 5, to: 9}", noise=0.008)
    done = study.run(np.random.default_rng(0))
    assert set(done) == set(study.run(np.random.default_rng(1), recorded=list(done)[:70]))
    seeds = {}
    for trial in done.values():
        seeds.setdefault(place_of(trial), []).append(trial.seed)
    assert {len(own) for own in seeds.values()} > {5}
    assert all(sorted(own) == list(range(len(own))) for own in seeds.values())
    assert len(done) < len(study.sweep)
    table = study.table(done.values())
    lines = say_looks(decided_part(table))
    assert lines[0].startswith("Seeds go where they decide") and lines[-1].startswith("Levels go finer only where")
    assert num_planned(table) == len(table)


def test_verdicts_are_over_the_levels_that_ran_and_corrected_for_all(recorded):
    table = decided_part(recorded.table(recorded.done.values()))
    judged, sweep = judgements(table), sweep_of(table, "asl", "clip")
    assert {key: cell.status for key, cell in judged.items()} == {
        ("asl", "clip"): "sensitive", ("ral", "clip"): "sensitive",
        ("asl", "gamma_neg"): "steady", ("ral", "gamma_neg"): "steady",
    }  # fmt: skip
    ran = len(levels_of(recorded.done.values(), "asl", "clip"))
    assert (len(sweep.moved), sweep.num_unfilled) == (ran, 8 - ran) and ran < 8
    estimates = estimates_of(sweep, family_of(table).standard.noise)
    highest = min(estimates.highs(family_of(table).standard.drop / 8))
    assert judged["asl", "clip"].drop.high == pytest.approx(highest)
    assert deciding_interval(estimates, family_of(table).standard).high < highest
    assert family_of(table).standard.num_levels == 2 * 2 * 8


def test_the_page_says_that_levels_were_left_out(recorded):
    table = recorded.table(recorded.done.values())
    moved = sum(
        len(levels_of(recorded.done.values(), loss, name)) + 1
        for loss in ("asl", "ral")
        for name in ("clip", "gamma_neg")
    )
    line = f"Levels go finer only where the curve falls or is open: {moved} of 36 ran, and verdicts are of these."
    assert say_looks(decided_part(table)) == [line]
    page = render(with_cache(table, recorded.facts))
    assert line in page and "levels are incomplete" not in page and "Never called steady" not in page
    assert follow_looks(table).due == follow_looks(table).decided
    columns = Contrasts().rows(Contrasts().compute(decided_part(table), np.random.default_rng(0)))
    assert dict(zip(columns.hyperparameter, columns["levels"], strict=True)) == {
        "clip": "same; without finer ones", "gamma_neg": "same",
    }  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_any_part_of_the_trials_gives_a_page(recorded, share):
    rng = np.random.default_rng(0)
    part = recorded.table([trial for trial in recorded.done.values() if rng.random() < share])
    assert "</html>" in render(with_cache(part, recorded.facts))
    assert num_planned(part) >= len(follow_looks(part).due)


def test_the_chance_that_a_level_has_fallen_is_students(rng):
    """Of a sweep on its own, without what noise has in common."""
    study = drawn_study(noise=0.01)
    table = study.table(study.run(rng).values())
    sweep = sweep_of(decided_part(table), "ral", "clip")
    for k, chance in enumerate(chances_fallen(sweep, MARGIN, ALONE)):
        values = sweep.differences_LS[k]
        expected = (
            0 if k == sweep.default else stats.t.cdf((-MARGIN - values.mean()) / stats.sem(values), len(values) - 1)
        )
        assert chance == pytest.approx(expected)


FUNCTION = """
import numpy as np

def train(seed, a=0.0):
    score = 0.7 - 0.1 * (a > 0.6) + 0.001 * np.random.default_rng(seed).normal()
    return {"val": {"accuracy": score}, "test": {"accuracy": score}}
"""
FILE = """
name: finer
trainable: {name: "falling.py:train"}
spaces: {a: {low: 0.0, high: 1.0}}
designs: {sweep: {levels: {coarse: 3, to: 9}}}
seeds: 5
metric: accuracy
margin: 0.02
"""


def test_plan_run_and_status_say_how_far_it_is(tmp_path, monkeypatch, untracked, capsys):
    """Levels at eighths: 0, 1/2 and 1, then 3/4, then 5/8, which has fallen beside 1/2."""
    monkeypatch.chdir(write(tmp_path, {"falling.py": FUNCTION, "study.yaml": FILE}))
    main(["plan", "study.yaml"])
    assert "3 to 9 levels: at least 15 trials, likely about 22, at most 45" in capsys.readouterr().out
    assert main(["run", "study.yaml", "--serial", "--track-later"]) == 0
    main(["status", "study.yaml", "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["total"]["missing"], told["total"]["done"]) == (0, 25)
    assert told["looks"] == [
        "Levels go finer only where the curve falls or is open: 5 of 9 ran, and verdicts are of these."
    ]
