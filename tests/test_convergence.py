"""When a page says that training looks unfinished: rarely by noise alone, surely when validation still rises."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import linregress

from evenkeel.reports.page.page import render
from evenkeel.reports.verdict.convergence import sure_rise, unfinished
from tests.synthetic import MEASURES, study, table

MARGIN = 0.01


def ended(rng, num_seeds, num_epochs, noise, *, carried=0.0, rise=0.0):
    """Rise and error of each seed's last epochs; `carried` is what an epoch keeps of the noise of the one before."""
    lines = []
    for _ in range(num_seeds):
        curve = [0.0]
        for _ in range(num_epochs + 20):
            curve.append(carried * curve[-1] + np.sqrt(1 - carried**2) * rng.normal(0, noise))
        at = np.arange(num_epochs)
        lines.append(linregress(at, np.array(curve[-num_epochs:]) + rise * at / (num_epochs - 1)))
    return [np.array([getattr(line, name) * (num_epochs - 1) for line in lines]) for name in ("slope", "stderr")]


@pytest.mark.parametrize("num_seeds", [2, 3, 10])
@pytest.mark.parametrize("num_epochs", [4, 5, 12])
@pytest.mark.parametrize(("noise", "carried"), [(0.003, 0.0), (0.01, 0.0), (0.03, 0.0), (0.03, 0.9)])
def test_noise_alone_is_rarely_taken_for_a_rise(num_seeds, num_epochs, noise, carried, rng):
    sure = [sure_rise(ended(rng, num_seeds, num_epochs, noise, carried=carried)[0], 0.05) for _ in range(300)]
    assert np.mean(np.array(sure) > MARGIN) < 0.09, "0.05 and three standard errors"


@pytest.mark.parametrize("num_seeds", [3, 10])
def test_a_rise_of_three_margins_is_mostly_found(num_seeds, rng):
    sure = [sure_rise(ended(rng, num_seeds, 5, 0.005, rise=3 * MARGIN)[0], 0.05) for _ in range(200)]
    assert np.mean(np.array(sure) > MARGIN) > 0.8


def rising(r):
    return replace(r, metrics=r.metrics | ({"val_rise": 0.031} if r.loss == "ral" else {}))


def test_the_page_names_the_losses_that_still_rose(rng):
    trials = table(rng, lambda *_: 0.5, change=rising)
    assert [(u.loss, u.rise) for u in unfinished(trials)] == [("ral", pytest.approx(0.031))]
    assert "surely by more than the margin (ral +0.031)" in render(trials)
    assert "looks unfinished:" not in render(table(rng, lambda *_: 0.5))


def test_records_that_do_not_say_it_are_not_judged(rng):
    def silent(r):
        return replace(r, metrics={name: v for name, v in r.metrics.items() if not name.startswith("val_rise")})

    assert unfinished(table(rng, lambda *_: 0.5, change=silent)) == []
    former = study(measures={name: m for name, m in MEASURES.items() if name != "rise"})
    assert unfinished(table(rng, lambda *_: 0.5, facts=former, change=silent)) == []
