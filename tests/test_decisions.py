"""A small, fixed form of benchmarks/decisions.py: the sentences that were false most often, on a few studies each."""

import numpy as np
import pytest

from benchmarks.decisions import measured, series
from benchmarks.synthetic_truths import Truth, World

KINDS = {f"{claim}-{kind.name}": (kind, claim) for kind in series() for claim in kind.claims}
"""By name of a row. Rates are of the generator that `measured` seeds, the same on every run."""


@pytest.mark.parametrize(
    ("row", "most"),
    [
        ("false/contrast-flat-rows-c.5", 0.15),
        ("false/winner-whole-loss-1", 0.15),
        ("false/unfinished-5-losses-scattered", 0.15),
        ("false/steady-bad-seeds-fail", 0.0),
        ("false/steady-diverging", 0.0),
        ("false/lies-at-the-floor-noisy-default", 0.0),
        ("false/about-the-margin-drop-of-3", 0.0),
    ],
)
def test_a_sentence_is_rarely_false(row, most):
    """Three of twenty is what a rate of .05 gives in all but 1.6 % of generators; "never" is never."""
    kind, claim = KINDS[row]
    assert measured(kind._replace(claims={claim: kind.claims[claim]}), 20)[claim][0] <= most


def test_effects_of_two_margins_are_found():
    kind, claim = KINDS["found/contrast-2-margins-rows-c.25"]
    assert measured(kind, 10)[claim][0] >= 0.8


def test_a_world_adds_to_all_seeds_what_it_says(rng):
    """Over many worlds the mean of a difference varies as its formula says; more seeds keep those that were there."""
    truth = Truth(losses=1, hyperparameters=1, levels=2, shared=0.5, image_error=0.3, seeds=8)
    means = []
    for _ in range(2000):
        scores = World(truth, rng).seeds(8)
        means.append((scores[0, 1] - scores[0, 0]).mean())
    expected = 2 * (truth.spread**2 * (0.5 + 1 / 8) + 0.3**2)
    assert np.var(means) == pytest.approx(expected, rel=0.1)
    world = World(truth, rng)
    first = world.seeds(4)
    assert (world.seeds(6)[..., :4] == first).all()
