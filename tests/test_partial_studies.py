"""Any part of a study's trials gives a page: a study that still runs, was stopped or diverged in places."""

from dataclasses import replace

import numpy as np
import pytest

from evenkeel.reports.page.page import render
from tests.synthetic import study, table


def wavy(label, setting):
    return 0.5 + 0.1 * setting.get("clip", 0.0) - 0.002 * setting.get("gamma_neg", 0.0)


def keep_by(kind, rng):
    """A rule that keeps some trials: those of some seeds, losses, designs or levels, or any at all."""
    share = rng.uniform(0.1, 0.9)
    kept = {}

    def decide(key):
        return kept.setdefault(key, bool(rng.random() < share))

    return {
        "seed": lambda r: decide(r.seed),
        "loss": lambda r: decide(r.loss),
        "design": lambda r: decide(r.design),
        "level": lambda r: decide((r.loss, r.moved, r.hyperparameters.get(r.moved))),
        "random": lambda r: rng.random() < share,
        "one trial": lambda r: decide("any") or (len(kept) < 3 and decide(r.trial_id)),
        "nothing": lambda r: False,
    }[kind]


def ended_as(r, rng, unhappy):
    """The trial as it ended: most are done, the others diverged (at the floor's score), failed or were stopped."""
    state = rng.choice(["done", "diverged", "failed", "censored"], p=[1 - unhappy, *[unhappy / 3] * 3])
    metrics = r.metrics if state == "done" else dict.fromkeys(r.metrics, 0.1 if state == "diverged" else None)
    return replace(r, state=str(state), metrics=metrics, note="" if state == "done" else f"it {state}")


@pytest.mark.parametrize("unhappy", [0.0, 0.5])
@pytest.mark.parametrize("kind", ["seed", "loss", "design", "level", "random", "one trial", "nothing"])
def test_any_subset_of_trials_gives_a_page(kind, unhappy):
    for num_seeds in (3, 7):
        rng = np.random.default_rng([num_seeds, len(kind)])
        keep, facts = keep_by(kind, rng), study(num_seeds)
        edit = lambda r: ended_as(r, rng, unhappy) if keep(r) else None  # noqa: B023, E731
        trials = table(rng, wavy, facts=facts, change=edit)
        page = render(trials)
        assert "</html>" in page and "Traceback" not in page
