"""A metric that is better when lower: 1 - F1 must be judged as F1 is, section by section, number by number."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evenkeel.reports.facts import DataFacts, MeasureFacts
from evenkeel.reports.page.page import render, sections
from evenkeel.reports.table.designs import best_of, sweep_of
from evenkeel.reports.table.trial_table import DIVERGED, facts_of, with_facts
from evenkeel.reports.verdict.verdict import NOT_JUDGED, judge
from tests import synthetic

FLOOR = 0.2
NOISE = 0.004


def truth(label, setting):
    return 0.5 - 0.3 * (setting.get("clip", 0.05) - 0.05) ** 2 * 100 - 0.002 * setting.get("gamma_neg", 4)


def change(row):
    """Some trials diverged, at the floor."""
    if row.loss == "ral" and row.hyperparameters["hill_lambda"] > 4 and row.seed in (1, 2):
        return replace(row, state=DIVERGED, metrics=dict.fromkeys(row.metrics, FLOOR))
    return row


@pytest.fixture
def twins(rng):
    """The same trials, judged by F1 and by 1 - F1."""
    table = synthetic.table(rng, truth, num_seeds=7, noise=NOISE, change=change)
    table["images.test_f1"] = pd.Series([f1 + rng.normal(0, NOISE, 12) for f1 in table.test_f1], dtype=object)
    table = table.assign(**{f"{split}_error": 1 - table[f"{split}_f1"] for split in ("val", "test")})
    table["images.test_error"] = pd.Series([1 - part for part in table["images.test_f1"]], dtype=object)
    facts = facts_of(table)
    data = DataFacts("none", floor={"f1": FLOOR, "error": 1 - FLOOR})
    measures = facts.measures | {"error": MeasureFacts("error rate", better="lower", headline=True, shared=0.25)}
    facts = replace(facts, data=data, measures=measures, margins=facts.margins | {"error": 0.01})
    return tuple(with_facts(table, replace(facts, metric=metric)) for metric in ("f1", "error"))


def computed(table, key):
    section = next(section for section in sections(table) if section.key == key)
    return section.compute(table, np.random.default_rng(3))


def test_verdicts_are_the_same(twins):
    high, low = (computed(table, "verdicts") for table in twins)
    assert high.cells.keys() == low.cells.keys() and len({cell.judged.status for cell in high.cells.values()}) > 1
    for key, cell in high.cells.items():
        judged, other = cell.judged, low.cells[key].judged
        assert (judged.status, judged.reasons, judged.seeds_needed) == (other.status, other.reasons, other.seeds_needed)
        assert judged.drop == pytest.approx(other.drop, nan_ok=True)
        assert [better.level for better in judged.better_levels] == [better.level for better in other.better_levels]
    assert low.title == "minus error rate"


def test_a_default_at_the_floor_is_not_judged_and_said_as_measured(twins):
    sweep = sweep_of(twins[1], "apl", "clip")
    judged = judge(sweep, 0.01, floor=0.4)
    assert judged.status == NOT_JUDGED and "0.5" in judged.reasons[0] and judged.reasons[0].endswith("0.400")


@pytest.mark.parametrize("key", ["overview", "sensitivity-clip", "contrasts", "win-probability", "importance"])
def test_a_section_of_differences_is_the_same(twins, key):
    high, low = twins
    shown = [
        next(section for section in sections(table) if section.key == key).rows(computed(table, key)) for table in twins
    ]
    if shown[0] is not None:
        turned = shown[1].drop(columns="score at default", errors="ignore")
        pd.testing.assert_frame_equal(shown[0].drop(columns="score at default", errors="ignore"), turned)
    if key == "overview":
        lines = [computed(table, key).lines for table in (high, low)]
        for one, other in zip(*lines, strict=True):
            for view, intervals in one.views.items():
                np.testing.assert_allclose(intervals, other.views[view], atol=1e-12)


def test_scores_themselves_are_shown_as_measured(twins):
    high, low = twins
    assert best_of(low) == pytest.approx(1 - best_of(high))
    for key, name in (("tolerance", "overall_best"), ("defaults", "best"), ("defaults", "floor")):
        assert getattr(computed(low, key), name) == pytest.approx(1 - getattr(computed(high, key), name))
    for one, other in zip(computed(high, "tolerance").losses, computed(low, "tolerance").losses, strict=True):
        np.testing.assert_allclose(one.share_of_overall, other.share_of_overall)
        assert other.own_best == pytest.approx(1 - one.own_best)
        assert one.at_margin_overall == pytest.approx(other.at_margin_overall, nan_ok=True)
    for one, other in zip(computed(high, "budget").curves, computed(low, "budget").curves, strict=True):
        np.testing.assert_allclose(other.expected, 1 - one.expected)
        assert other.at_budgets[4].low == pytest.approx(1 - one.at_budgets[4].high, nan_ok=True)
    texts = [
        next(s for s in sections(table) if s.key == "sensitivity-clip").rows(computed(table, "sensitivity-clip"))
        for table in twins
    ]
    scores = [text["score at default"].astype(float) for text in texts]
    np.testing.assert_allclose(scores[1], 1 - scores[0], atol=0.0011)


def test_a_profile_says_what_nine_of_ten_settings_stay_below(twins):
    high, low = twins
    profile = next(section for section in sections(low) if section.key == "profile")
    info, other = computed(low, "profile"), computed(high, "profile")
    frame = profile.rows(info)
    assert "90% quantile" in frame and "reach at most" in profile.answer(info)
    for one, written in zip(other.losses, frame["90% quantile"], strict=True):
        assert float(written.split(" ")[0]) == pytest.approx(1 - one.low_quantile.value, abs=0.0006)
    first = profile.draw(info).to_json()["data"][0]
    assert first["x"][0] > first["x"][-2] and first["y"][0] == 1


def test_the_tuned_gain_over_the_default_is_the_same(twins):
    high, low = (computed(table, "tuned") for table in twins)
    assert high.winners
    for one, other in zip(high.winners, low.winners, strict=True):
        assert other.gain == pytest.approx(one.gain, nan_ok=True)
        assert other.tuned.value == pytest.approx(1 - one.tuned.value)
        assert other.gap == pytest.approx(-one.gap)
        assert other.overtuning == pytest.approx(one.overtuning, nan_ok=True)
        assert (other.sensitivity, other.to_tune) == (pytest.approx(one.sensitivity), one.to_tune)


def test_the_page_says_that_lower_is_better(twins):
    page = render(twins[1])
    assert "below 0 is worse" in page and "minus error rate" in page
