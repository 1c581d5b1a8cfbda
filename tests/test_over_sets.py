"""Statistics over data sets: scipy's intervals, the published definitions, sets of a known truth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from evenkeel.reports.page.comparison import by_name, together
from evenkeel.reports.sections.joint_profile import JointProfile
from evenkeel.reports.sections.joint_setting import JointSetting
from evenkeel.reports.statistics.over_sets import mean_over_sets, normalised, one_setting, share_within
from tests.synthetic import study, table
from tests.test_sections import diverge, flat

SCORES = arrays(float, st.tuples(st.integers(2, 5), st.integers(1, 6)), elements=st.floats(0, 1, width=16))
"""Means [D, H]."""


def without_noise(means_DH, num_seeds=3):
    return [np.tile(means[:, None], num_seeds) for means in means_DH]


@given(SCORES)
def test_without_noise_it_is_the_published_sensitivity(means_DH):
    """Adkins et al. 2024: the mean over environments of the maxima, minus the maximum of the means."""
    chosen = one_setting(without_noise(means_DH), without_noise(means_DH))
    published = means_DH.max(1).mean() - means_DH.mean(0).max()
    assert mean_over_sets(chosen.missed).over.value == pytest.approx(published, abs=1e-12) and published >= -1e-12


@given(arrays(float, st.integers(1, 6), elements=st.floats(0, 1, width=16)), st.integers(2, 5))
def test_sets_that_agree_miss_nothing(means_H, num_sets):
    scores = without_noise([means_H] * num_sets)
    assert all((missed == 0).all() for missed in one_setting(scores, scores).missed)


def test_noise_alone_is_no_sensitivity(rng):
    """The plain maximum of noisy means would say 0.29 here."""
    missed = []
    for _ in range(300):
        test, val = (rng.normal(size=(4, 8, 6)) for _ in range(2))
        missed.append(np.mean(one_setting(list(test), list(val)).missed))
    assert abs(np.mean(missed)) < 4 * np.std(missed) / np.sqrt(300)


@given(st.floats(0.1, 100), st.floats(-10, 10))
def test_the_unit_of_a_score_does_not_count(factor, shift):
    scores = np.random.default_rng(0).normal(size=(9, 4))
    np.testing.assert_allclose(
        normalised(factor * scores + shift, factor * scores + shift), normalised(scores, scores), atol=1e-9
    )


@given(arrays(float, (4, 3), elements=st.floats(-2, 9) | st.just(np.inf)))
def test_a_profile_rises_to_the_share_that_did_not_diverge(lost_LS):
    limits = np.array([-3.0, 0.0, 1.0, 9.0])
    shares_ST = share_within(lost_LS, limits)
    assert (np.diff(shares_ST, axis=1) >= 0).all() and (shares_ST[:, 0] == 0).all()
    np.testing.assert_allclose(shares_ST[:, -1], np.isfinite(lost_LS).mean(0))


def test_intervals_are_students_over_sets_and_welchs_on_these(rng):
    values = [rng.normal(size=n) * scale for n, scale in ((6, 1.0), (9, 3.0))]
    welch = stats.ttest_ind(values[0], -values[1], equal_var=False).confidence_interval()
    assert mean_over_sets(values).on_these[1:3] == pytest.approx([welch.low / 2, welch.high / 2])
    assert np.isnan(mean_over_sets(values).over.low)
    five = [rng.normal(size=6) for _ in range(5)]
    means = [own.mean() for own in five]
    student = stats.t.interval(0.95, 4, np.mean(means), stats.sem(means))
    assert mean_over_sets(five).over[1:3] == pytest.approx(student)
    assert np.isnan(mean_over_sets([*five, rng.normal(size=2)]).on_these.low)


def sets(rng, truths, **more):
    """A study a truth, on the same Sobol points."""
    facts = [replace(study(), name=f"set {i}") for i in range(len(truths))]
    whole = rng.integers(2**32)
    tables = [table(np.random.default_rng(whole), t, facts=f, **more) for t, f in zip(truths, facts, strict=True)]
    return by_name(tables)


def best_at(value):
    """RAL loses 0.02 per unit of gamma_neg away from this value; nothing else matters."""
    return lambda label, setting: 0.5 - (0.02 * abs(setting["gamma_neg"] - value) if label == "ral" else 0.0)


def test_a_hyperparameter_whose_best_value_moves_from_set_to_set_must_be_tuned(rng):
    studies = sets(rng, [best_at(v) for v in (0, 0, 12, 12, 6)], noise=1e-4, designs=("sweep",))
    section = JointSetting(studies)
    info = section.compute(together(studies), rng)
    ral = next(e for e in info.losses if e.loss == "ral")
    assert ral.missed.over.value > 0.2 and ral.to_tune == "1 (gamma_neg)"
    assert "Adkins" in section.answer(info) and section.draw(info).figure().data
    agreeing = sets(rng, [best_at(4)] * 5, noise=1e-4, designs=("sweep",))
    same = JointSetting(agreeing).compute(together(agreeing), rng)
    assert next(e for e in same.losses if e.loss == "ral").to_tune == "0"
    assert abs(next(e for e in same.losses if e.loss == "ral").missed.over.value) < 0.02


def test_the_profile_counts_the_runs_that_lose_more_than_a_margin(rng):
    """RAL keeps 0.01 within half a unit of gamma_neg only: of its levels 0, 3, 6, 9, 12 none but the default's own."""
    studies = sets(rng, [best_at(4)] * 5, noise=1e-5, designs=("sweep",))
    section = JointProfile(studies)
    info = section.compute(together(studies), rng)
    shares = {p.loss: p.within_margin.over.value for p in info.losses}
    assert info.names == ["clip", "gamma_neg"] and shares["apl"] == 1 and shares["ral"] == pytest.approx(0.5)
    assert "100% [100%, 100%] of apl, 50%" in section.answer(info) and section.draw(info).figure().data


def test_what_diverged_lost_more_than_any_margin(rng):
    studies = sets(rng, [flat] * 2, designs=("sweep",), noise=1e-5, change=diverge)
    (apl, ral) = JointProfile(studies).compute(together(studies), rng).losses
    assert ral.shares[-1].over.value == pytest.approx(1 - 0.5 / 4, abs=0.02) and apl.shares[-1].over.value == 1
