"""The verdict of several studies: scipy's interval, sets of a known truth, the limits of few sets."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.joint_coverage import coverage
from evenkeel.reports.page.comparison import by_name, together
from evenkeel.reports.sections.joint_verdict import JointVerdict
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.verdict.family import judgements
from evenkeel.reports.verdict.joint import FEW_SETS, over_data_sets, sets_for_order
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY
from tests.synthetic import study, table
from tests.test_sections import sharp


def sets(rng, num):
    return by_name([table(rng, sharp, designs=("sweep",), facts=replace(study(), name=f"set {i}")) for i in range(num)])


def test_the_interval_over_sets_is_students(rng):
    means = rng.normal(size=(5, 3))
    estimates = over_data_sets(means)
    ends = stats.t.interval(0.95, 4, means.mean(0), stats.sem(means))
    assert np.allclose([estimates.lows(0.025), estimates.highs(0.025)], ends)


@pytest.mark.parametrize("spread", [0.0, 0.01], ids=["common effect", "effects differ by set"])
def test_it_covers_with_five_sets(spread, rng):
    assert 0.93 <= coverage(spread, 4000, rng) <= 0.97


def test_five_sets_give_a_verdict_over_sets(rng):
    """RAL is sharp in gamma_neg on every set, and moves in nothing else."""
    studies = sets(rng, 5)
    section = JointVerdict(studies)
    info = section.compute(together(studies), rng)
    status = {(c.loss, c.name): c.status for c in info.cells}
    assert status.pop(("ral", "gamma_neg")) == SENSITIVE and set(status.values()) == {STEADY}
    (pair,) = info.pairs
    assert (pair.first, pair.second, pair.steadier, pair.improvement.value) == ("apl", "ral", 5, 1)
    answer = section.answer(info)
    assert (
        "Over data sets, sensitive: ral in gamma_neg." in answer and "apl is steadier than ral on 5 of 5 sets" in answer
    )
    assert "a sign test needs 6" in answer


def test_two_sets_say_what_they_cannot(rng):
    studies = sets(rng, 2)
    section = JointVerdict(studies)
    info = section.compute(together(studies), rng)
    assert {c.status for c in info.cells} == {FEW_SETS} and np.isfinite(info.cells[0].on_these.low)
    assert "2 data sets carry no interval over sets" in section.answer(info)


def test_a_set_on_which_a_loss_is_not_judged_is_left_out(rng, monkeypatch):
    studies = sets(rng, 6)
    section, at_chance = JointVerdict(studies), next(iter(studies.values()))

    def judged(table):
        own = judgements(table)
        if facts_of(table).name != facts_of(at_chance).name:
            return own
        return {key: verdict._replace(status=NOT_JUDGED) for key, verdict in own.items()}

    monkeypatch.setattr("evenkeel.reports.verdict.joint.judgements", judged)
    info = section.compute(together(studies), rng)
    assert {c.num_sets for c in info.cells} == {5} and [p.num_sets for p in info.pairs] == [5]
    assert "is left out of it" in section.answer(info)


def test_the_sign_test_needs_as_many_sets_as_its_p_says():
    num = sets_for_order()
    assert stats.binomtest(num, num).pvalue <= 0.05 < stats.binomtest(num - 1, num - 1).pvalue
