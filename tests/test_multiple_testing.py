"""Families of comparisons against their definitions, another library and simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from evenkeel.reports.statistics.multiple_testing import (
    least_p,
    romano_wolf,
    seeds_to_reject,
    sign_flip_p,
    sign_patterns,
    t_of_sign_patterns,
)


def test_t_is_scipys_under_every_flip(rng):
    differences = rng.normal(0.3, 1, (3, 6))
    signs = sign_patterns(6, rng)
    found = t_of_sign_patterns(differences, signs)
    for f in (0, 1, 17, 63):
        assert found[f] == pytest.approx(abs(stats.ttest_1samp(differences * signs[f], 0, axis=1).statistic))


def test_missing_seeds_are_left_out(rng):
    values = rng.normal(0.5, 1, (1, 8))
    values[0, 2] = np.nan
    expected = abs(stats.ttest_1samp(values[0, np.isfinite(values[0])], 0).statistic)
    assert t_of_sign_patterns(values, sign_patterns(8, rng))[0, 0] == pytest.approx(expected)
    assert np.isnan(sign_flip_p(np.full((1, 6), np.nan), rng)).all()


def test_sign_flips_are_exact(rng):
    """Against scipy's permutation test of samples, all flips."""
    assert sign_flip_p(np.array([[1.0, 2, 3, 4, 5, 6], [1.0, -1, 1, -1, 1, -1]]), rng) == pytest.approx([2 / 64, 1])
    values = rng.normal(0.4, 1, 7)
    expected = stats.permutation_test((values,), lambda x: abs(np.mean(x)), permutation_type="samples",
                                      alternative="greater", n_resamples=np.inf).pvalue  # fmt: skip
    assert sign_flip_p(values[None], rng) == pytest.approx([expected])


def test_many_seeds_are_drawn_and_seeded():
    one, again = (sign_flip_p(np.linspace(-1, 2, 20)[None], np.random.default_rng(1)) for _ in range(2))
    assert one == again and 0 < one[0] < 0.1


def test_romano_wolf_by_its_definition(rng):
    """Step down: the largest |t| against the largest of all, the next against the largest of the rest."""
    differences = rng.normal([[1.2], [0.1], [0.6]], 1, (3, 6))
    signs = np.array(list(product((1, -1), repeat=6)))
    t = np.array([[abs(stats.ttest_1samp(d * s, 0).statistic) for d in differences] for s in signs])
    order, expected, running = np.argsort(-t[0]), np.zeros(3), 0.0
    for i, c in enumerate(order):
        running = max(running, float(np.mean(t[:, order[i:]].max(1) >= t[0, c] - 1e-9)))
        expected[c] = running
    assert romano_wolf(differences, rng) == pytest.approx(expected)


def test_the_family_is_rarely_wrong_and_finds_what_is_there(rng):
    """Ten comparisons with unequal noise, nine of them null: any false one in at most 5 %, the true one found."""
    wrong, found = [], []
    for _ in range(300):
        spread = np.array([1.0, 5, 1, 1, 2, 1, 1, 3, 1, 1])[:, None]
        p = romano_wolf(spread * (rng.normal(size=(10, 8)) + np.array([4.0] + [0] * 9)[:, None]), rng)
        wrong.append((p[1:] <= 0.05).any())
        found.append(p[0] <= 0.05)
    assert np.mean(wrong) <= 0.075 and np.mean(found) > 0.95


@pytest.mark.parametrize(("n", "possible"), [(5, False), (6, True)])
def test_six_seeds_are_the_fewest_that_can_reject(n, possible, rng):
    p = romano_wolf(np.array([np.arange(1.0, n + 1), np.ones(n)]), rng)
    assert (p <= 0.05).all() == possible and p.min() == pytest.approx(least_p(n))


def test_seeds_to_tell_have_the_power_they_promise(rng):
    values = np.array([0.5, 1.5, 0.2, 1.8, 1.0, 1.0])
    n = seeds_to_reject(values, 1)
    simulated = rng.normal(values.mean(), values.std(ddof=1), (2000, n))
    assert n >= 6 and np.mean(stats.ttest_1samp(simulated, 0, axis=1).pvalue <= 0.05) >= 0.78
    assert seeds_to_reject(values, 20) > n
    assert seeds_to_reject(np.array([1.0, -1.0, 1.0, -1.0]), 1) is None
