"""Shares of variance against functions whose shares are known."""

import numpy as np
import pytest

from evenkeel.reports.facts import ParameterFacts
from evenkeel.reports.statistics.importance import LEAST_Q2, orthonormal_functions, variance_shares


def number(low=0.0, high=1.0, log=False):
    return ParameterFacts("float", low, "x", "", low, high, log)


def sobol(num, dimensions):
    from scipy.stats import qmc

    return qmc.Sobol(dimensions, seed=0).random(num)


def shares(parameters, points, values):
    return variance_shares([orthonormal_functions(points[:, d], p) for d, p in enumerate(parameters)], values)


def test_functions_are_orthonormal_over_the_box():
    x = (np.arange(20_000) + 0.5) / 20_000
    log = ParameterFacts("float", 1.0, "x", "", 0.01, 100.0, True)
    choice = ParameterFacts("choice", "a", "x", "", options=("a", "b", "c"))
    for parameter, values in (
        (number(), x),
        (number(-3, 5), 8 * x - 3),
        (log, np.exp(np.log(1e-2) + x * np.log(1e4))),
        (choice, np.tile(["a", "b", "c"], 10)),
    ):
        found = orthonormal_functions(values, parameter)
        assert found.T @ found / len(found) == pytest.approx(np.eye(found.shape[1]), abs=1e-3)
        assert found.mean(0) == pytest.approx(0, abs=1e-3)


def test_a_sum_and_a_product_have_the_shares_of_their_formula():
    """3 a + 2 b + 4 (a - 1/2)(b - 1/2): variances 9/12, 4/12 and 16/144."""
    a, b, _ = points = sobol(64, 3).T
    found = shares([number()] * 3, points.T, 3 * a + 2 * b + 4 * (a - 0.5) * (b - 0.5))
    total = 9 / 12 + 4 / 12 + 16 / 144
    assert found.q2 == pytest.approx(1)
    assert [found.by_term[t] for t in ((0,), (1,), (2,), (0, 1))] == pytest.approx(
        [9 / 12 / total, 4 / 12 / total, 0, 16 / 144 / total], abs=1e-6
    )


def test_a_curve_counts_as_a_main_effect():
    points = sobol(64, 2)
    found = shares([number()] * 2, points, (points[:, 0] - 0.5) ** 2 + 0.01 * points[:, 1])
    quadratic, linear = 1 / 180, 0.01**2 / 12
    assert found.by_term[0,] == pytest.approx(quadratic / (quadratic + linear), abs=1e-4)


def test_a_choice_has_its_share():
    points = np.column_stack([np.tile(["a", "b"], 32), sobol(64, 1)[:, 0]]).astype(object)
    values = (points[:, 0] == "b") * 1.0 + points[:, 1].astype(float)
    choice = ParameterFacts("choice", "a", "x", "", options=("a", "b"))
    assert shares([choice, number()], points, values).by_term[0,] == pytest.approx(0.25 / (0.25 + 1 / 12), abs=0.02)


def test_noise_is_refused_although_it_can_be_fitted(rng):
    found = [shares([number()] * 4, sobol(64, 4), rng.normal(size=64)).q2 for _ in range(100)]
    assert max(found) < LEAST_Q2


def test_the_leave_one_out_error_is_that_of_leaving_out(rng):
    points, x = sobol(16, 1), sobol(16, 1)[:, 0]
    values = x + rng.normal(0, 0.05, 16)
    errors, spread = [], []
    for h in range(16):
        kept = np.arange(16) != h
        slope, start = np.polyfit(x[kept], values[kept], 1)
        errors.append(values[h] - start - slope * x[h])
        spread.append(values[h] - values[kept].mean())
    linear = 1 - np.sum(np.square(errors)) / np.sum(np.square(spread))
    assert shares([number()], points, values).q2 >= linear - 1e-9
    assert shares([number()], points[:4], values[:4]).q2 == pytest.approx(
        variance_shares([orthonormal_functions(points[:4, 0], number())[:, :1]], values[:4]).q2
    )


def test_too_few_settings_or_nothing_to_explain():
    assert np.isnan(shares([number()] * 4, sobol(8, 4), np.arange(8.0)).q2)
    assert np.isnan(shares([number()], sobol(8, 1), np.ones(8)).q2)
