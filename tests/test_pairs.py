"""Two hyperparameters together: planned, refused, run, and what a page may say of them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evenkeel.reports.page.page import render, sections
from evenkeel.reports.sections.pairs import Pair
from evenkeel.reports.table.designs import with_metric
from evenkeel.reports.table.grids import grids_of, paired_hyperparameters
from evenkeel.reports.table.trial_table import facts_of, trial_table, with_facts
from evenkeel.reports.verdict.together import judge_grids
from evenkeel.study.cli import main
from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.adaptive_seeds import first_due
from evenkeel.study.plan.planner import Planner
from evenkeel.study.tracking.tags import make_params, make_run_name, make_trial_tags
from tests.data.makers import write
from tests.synthetic import SPACES, row, study

SWEEP = "designs.sweep={levels: 3, hyperparameters: [alpha1], pairs: [[gamma_neg, clip]]}"
SMALL = ["designs.search=null", "designs.sobol=null", "losses=[bce, {loss: ral, fixed: {focusing: full}}]"]


def planned(*overrides):
    config = load_study("demo", [*SMALL, *overrides])
    return Planner(config, {"name": "digits-mlt"}, {"name": "x"}).planned()


def test_both_move_at_the_levels_of_their_sweeps_and_share_the_trials_that_move_one():
    trials = planned(SWEEP, "seeds=2")
    alone = planned("designs.sweep={levels: 3, hyperparameters: [alpha1, gamma_neg, clip]}", "seeds=2")
    assert {t.id for t in trials if t.design == "sweep"} == {t.id for t in alone}
    pairs = [t for t in trials if t.design == "pair"]
    assert len({t.id for t in trials}) == len(trials) == len(alone) + 2 * 2 * 2
    assert {t.label for t in pairs} == {"ral"}
    levels = {name: {t.setting[name] for t in alone if t.moved == name} for name in ("gamma_neg", "clip")}
    settings = {(t.setting["gamma_neg"], t.setting["clip"]) for t in pairs}
    assert settings == set(product(levels["gamma_neg"], levels["clip"]))


def test_what_is_told_of_a_trial_that_moved_two():
    trial = next(t for t in planned(SWEEP) if t.design == "pair" and t.seed == 3)
    clip, gamma_neg = trial.setting["clip"], trial.setting["gamma_neg"]
    assert make_run_name(trial) == f"ral, gamma_neg {gamma_neg:.4g}, clip {clip:.4g}, seed 3"
    assert make_trial_tags(trial).items() >= {"design": "pair", "moved": "gamma_neg, clip"}.items()
    assert make_params(trial).items() >= {"clip": str(clip), "gamma_neg": str(gamma_neg)}.items()


def test_where_seeds_go_where_they_decide_a_pair_gets_the_first():
    config = load_study("demo", [*SMALL, SWEEP, "seeds={from: 5, to: 9}"])
    trials = Planner(config, {}, {}).planned()
    due = first_due(config, trials)
    assert {t.seed for t in trials if t.design == "pair"} == set(range(5))
    assert sum(t.design == "pair" for t in due) == 2 * 2 * 5


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (
            "[[clip, gama_neg]]",
            "designs.sweep.pairs: no loss has 'gama_neg', nor has spaces; did you mean 'gamma_neg'?",
        ),
        ("[[clip, x]]", "no loss has 'x', nor has spaces; valid: alpha1, "),
        ("[[clip, clip]]", "designs.sweep.pairs: clip and clip is one hyperparameter; name two"),
        ("[[clip, gamma]]", "designs.sweep.pairs: no loss has both clip and gamma; leave the pair out"),
        ("[[clip, gamma_neg], [gamma_neg, clip]]", "gamma_neg and clip come twice; leave one out"),
        ("[[clip]]", "designs.sweep.pairs"),
        ("[[clip, gamma_neg, alpha1]]", "designs.sweep.pairs"),
    ],
)
def test_what_is_no_pair_is_refused(pairs, said):
    losses = "losses=[{loss: ral, fixed: {focusing: full}}, focal]"
    with pytest.raises(UserError, match="the study is not valid") as error:
        load_study("demo", [*SMALL, losses, f"designs.sweep={{levels: 3, pairs: {pairs}}}"])
    assert said in str(error.value)


LEVELS = {name: SPACES["ral"].parameters[name].levels(3) for name in ("clip", "gamma_neg")}


def make_table(rng, together=0.0, *, num_seeds=6, noise=0.002, edit=lambda trial: trial, **more):
    """APL and RAL over clip and gamma_neg: effects that add up, and `together` beyond that at RAL's highest levels."""
    facts, rows = study(num_seeds, planned={}, **more), []
    for label, clip, gamma_neg, seed in product(("apl", "ral"), *LEVELS.values(), facts.seeds):
        defaults, ends = (
            facts.losses[label].defaults,
            clip == LEVELS["clip"][-1] and gamma_neg == LEVELS["gamma_neg"][-1],
        )
        moved = [n for n, value in (("clip", clip), ("gamma_neg", gamma_neg)) if value != defaults[n]]
        score = 0.5 - 0.1 * clip - 0.002 * gamma_neg + together * (ends and label == "ral") + noise * rng.normal()
        trial = row(
            len(rows), label, "search", seed, defaults | {"clip": clip, "gamma_neg": gamma_neg}, score, facts=facts
        )
        design = "pair" if len(moved) == 2 else "sweep"
        rows.append(edit(replace(trial, group=None, design=design, moved=", ".join(moved) or None)))
    return trial_table([trial for trial in rows if trial], facts)


def said_of(table):
    section = Pair(("clip", "gamma_neg"))
    return section.answer(section.compute(table, np.random.default_rng(0)))


def test_an_interaction_is_the_difference_of_differences(rng):
    table = make_table(rng)
    grid = next(grid for grid in grids_of(table, ("clip", "gamma_neg")) if grid.loss == "ral")
    by_setting = table[table.loss == "ral"].set_index(["hp.clip", "hp.gamma_neg", "seed"]).test_f1.sort_index()
    defaults = facts_of(table).losses["ral"].defaults
    scores = lambda clip, gamma_neg: by_setting[clip, gamma_neg].to_numpy()  # noqa: E731
    for (i, clip), (j, gamma_neg) in product(*(enumerate(levels) for levels in LEVELS.values())):
        alone = scores(clip, defaults["gamma_neg"]), scores(defaults["clip"], gamma_neg)
        expected = scores(clip, gamma_neg) - alone[0] - alone[1] + scores(defaults["clip"], defaults["gamma_neg"])
        assert grid.interactions_ABS[i, j] == pytest.approx(expected)


def test_the_interval_of_a_lone_interaction_is_that_of_student(rng):
    """Two levels each: one interaction on the page, whose error is the 4 % of a first look."""

    def keep(r):
        left_out = r.loss == "apl" or r.hyperparameters["clip"] == 0.125 or r.hyperparameters["gamma_neg"] == 0
        return None if left_out else r

    (judged,) = judge_grids(make_table(rng, edit=keep)).values()
    values = judged.grid.interactions_ABS[judged.grid.together][0]
    expected = stats.t.interval(0.96, len(values) - 1, values.mean(), stats.sem(values))
    assert judged.largest[:3] == pytest.approx((values.mean(), *expected))


def test_a_page_says_whether_one_depends_on_the_other(rng):
    assert "ral: the effect of clip depends on gamma_neg: at clip 0.25 and gamma_neg 12 both" in said_of(
        make_table(rng, -0.05)
    )
    small = said_of(make_table(rng, -0.006, noise=0.0005))
    assert "ral: the effect of clip depends on gamma_neg, but everywhere by less than the margin of 0.01: at" in small
    plain = said_of(make_table(rng))
    assert plain.count("clip and gamma_neg add up: everywhere both together are within the margin of 0.01") == 2
    assert "apl: of 4 settings that leave both defaults it is surely worse than the default in 3 (most -0.0" in plain
    noisy = said_of(make_table(rng, noise=0.05))
    assert "whether the effect of clip depends on gamma_neg is not decided; the largest interaction is" in noisy
    assert "With 3 seeds no interval can be trusted" in said_of(make_table(rng, -0.05, num_seeds=3))
    turned = make_table(rng, -0.05)
    facts = facts_of(turned)
    measures = facts.measures | {"f1": replace(facts.measures["f1"], better="lower")}
    assert "surely better than the default" in said_of(with_facts(turned, replace(facts, measures=measures)))


def test_nothing_is_sure_where_a_seed_diverged(rng):
    def edit(r):
        broken = r.loss == "ral" and r.seed == 0 and r.design == "pair"
        return replace(r, state="diverged", metrics=dict.fromkeys(r.metrics, 0.1)) if broken else r

    judged = judge_grids(make_table(rng, -0.2, edit=edit))["ral", ("clip", "gamma_neg")]
    assert not judged.signs_AB[judged.grid.together].any()
    assert judged.status == "not decided"


@pytest.mark.parametrize("share", [0.0, 0.15, 0.5, 0.9])
def test_any_subset_of_the_trials_gives_a_page(rng, share):
    table = make_table(rng, -0.05, edit=lambda r: r if rng.random() < share else None)
    assert "</html>" in render(table)
    for section in sections(table):
        assert "nan" not in section.answer(section.compute(table, rng)).lower()


def test_a_page_draws_a_cell_a_setting_with_its_own_interval(rng):
    table = make_table(rng)
    section = Pair(("clip", "gamma_neg"))
    figure = section.draw(section.compute(table, rng)).figure()
    assert paired_hyperparameters(table) == [("clip", "gamma_neg")]
    assert [trace.name for trace in figure.data] == ["apl", "ral"]
    grid = grids_of(table, ("clip", "gamma_neg"))[1]
    values = grid.differences_ABS[0, 2]
    at = list(zip(figure.data[1].x, figure.data[1].y, strict=True)).index(("0.05", "12"))
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert figure.data[1].z[at] == pytest.approx(values.mean(), rel=1e-5)
    assert figure.data[1].customdata[at] == pytest.approx((low, high), rel=1e-4)
    assert list(figure.data[1].text).count("◆") == 1
    leads = Pair(("clip", "gamma_neg")).compute(with_metric(table, "map"), rng)
    assert leads.title == "mAP"


FUNCTION = """
def train(seed, a=0.0, b=0.0):
    score = 0.7 - 0.1 * a * b + 0.001 * (seed * 7 % 5 - 2) * (1 + a + 2 * b)
    return {"val": {"accuracy": score}, "test": {"accuracy": score}}
"""
FILE = """
name: pair
trainable: {name: "product.py:train"}
spaces: {a: {low: 0.0, high: 1.0}, b: {low: 0.0, high: 1.0}}
designs: {sweep: {levels: 2, pairs: [[a, b]]}}
seeds: 6
metric: accuracy
margin: 0.01
"""


def test_a_study_of_a_function_is_planned_run_and_exported(tmp_path, monkeypatch, untracked, capsys):
    monkeypatch.chdir(write(tmp_path, {"product.py": FUNCTION, "study.yaml": FILE}))
    main(["plan", "study.yaml"])
    lines = capsys.readouterr().out.splitlines()
    head = next(line.split() for line in lines if "sweep" in line)
    assert head == ["sweep", "pair", "sobol", "search", "confirm", "all"]
    assert ["all", "18", "6", "0", "0", "0", "24"] in [line.split() for line in lines]
    assert main(["run", "study.yaml", "--serial", "--track-later"]) == 0
    assert main(["run", "study.yaml", "--serial", "--track-later"]) == 0
    assert "24 done, 0 diverged, 0 failed (nothing was missing)" in capsys.readouterr().out
    assert main(["export", "study.yaml", "--to", "csv", "-o", "table.csv"]) == 0
    table = pd.read_csv("table.csv")
    assert set(table[table.design == "pair"].moved) == {"a, b"}
    assert main(["report", "study.yaml"]) == 0
    page = (tmp_path / "studies" / "pair" / "report.html").read_text()
    assert "the effect of a depends on b: at a 1 and b 1 both together are -0.100 [-0.100, -0.100] away" in page
