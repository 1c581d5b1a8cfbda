"""Trial tables with a known truth, for the report's tests."""

from dataclasses import replace
from itertools import product

import numpy as np
from scipy import stats

from evenkeel.reports.facts import DataFacts, LossFacts, ParameterFacts, RecipeFacts, StudyFacts
from evenkeel.reports.table.trial_table import TrialRow, metric_columns, trial_table
from evenkeel.search_spaces import SPACES
from evenkeel.study.records.facts import MEASURES

AT_REST = {"val_rise": 0.0, "val_rise_error": 0.001}
"""Of a training that has ended."""
NAMES = {"apl": ("gamma_neg", "clip"), "ral": ("gamma_neg", "clip", "hill_lambda"), "bce": ()}


def study(num_seeds=6, metric="f1", margin=0.01, **more):
    """Facts of a study of three losses, as `study` writes them."""
    losses = {}
    for label, names in NAMES.items():
        space = {n: ParameterFacts(kind="float", **vars(SPACES[label].parameters[n])) for n in names}
        losses[label] = LossFacts(label, {}, {n: p.default for n, p in space.items()}, space)
    return StudyFacts(**{
        "name": "synthetic", "description": "a <b>known</b> truth </script>", "metric": metric,
        "margins": dict.fromkeys(MEASURES, margin), "reduction": "mean", "seeds": tuple(range(num_seeds)),
        "fresh_seeds": (50, 51, 52, 53, 54), "trainable": {"model": "none", "training": "1 epoch"},
        "data": DataFacts("none", ("a", "b"), {"train": 5, "val": 3, "test": 4},
                          {"head": (0,), "medium": (), "tail": (1,)}, {"val": ("b",), "test": ()}),
        "planned": {label: dict.fromkeys(("sweep", "sobol", "search"), 1) for label in NAMES}, "losses": losses,
        "measures": MEASURES,
    } | more)  # fmt: skip


def as_printed(facts, data="cxr-lt", **recipe):
    """The facts of a study that was trained as the RAL paper says."""
    recipe = RecipeFacts(**{"trainable": "finetune", "backbone": "convnext_base", "image_size": 384} | recipe)
    losses = {label: replace(loss, recipe=recipe) for label, loss in facts.losses.items()}
    return replace(facts, losses=losses, data=replace(facts.data, name=data))


def row(number, label, design, seed, setting, score, state="done", group=None, facts=None, proposal=None):
    facts = facts or study()
    defaults = facts.losses[label].defaults
    moved = next((n for n, v in setting.items() if v != defaults[n]), None) if design == "sweep" else None
    return TrialRow(
        trial_id=f"{number:016x}", loss=label, loss_name=label, design=design, seed=seed, group=group, moved=moved,
        proposal=proposal,
        state=state, wall_s=0.1, epochs_done=1, host="h", versions="evenkeel 0",
        note="" if state == "done" else f"it {state}", hyperparameters=setting,
        metrics={name: AT_REST.get(name, score) for name in metric_columns(facts)},
    )  # fmt: skip


def table(rng, truth, *, num_seeds=6, noise=0.002, designs=("sweep", "sobol", "search"), change=None, facts=None):
    """A whole study: `truth(label, setting)` plus seed effects and noise. `change(row)` edits or drops (None) a row."""
    facts = facts or study(num_seeds)
    planned = {label: dict.fromkeys(designs, 1) for label in NAMES}
    facts = replace(facts, planned=planned)
    rows = []

    def add(label, design, seed, setting, group=None, proposal=None):
        effect = 0.02 * np.sin(seed)
        rows.append(row(len(rows), label, design, seed, setting, truth(label, setting) + effect + rng.normal(0, noise),
                        group=group, facts=facts, proposal=proposal))  # fmt: skip

    for label, loss in facts.losses.items():
        default = loss.defaults
        settings = [default] + [
            default | {n: level}
            for n in default
            for level in SPACES[label].parameters[n].levels(5)
            if level != default[n]
        ]
        points = [
            {n: SPACES[label].parameters[n].at(rng.random()) for n in default} for _ in range(8 if default else 1)
        ]
        if "sweep" in designs:
            [add(label, "sweep", seed, s) for s, seed in product(settings, facts.seeds)]
        if "sobol" in designs:
            [add(label, "sobol", seed, s) for s, seed in product(points, facts.seeds)]
        if "search" in designs and default:
            [add(label, "search", 0, s, group=0, proposal=number) for number, s in enumerate(points)]
            best = max(points, key=lambda s: truth(label, s))
            [add(label, "confirm", seed, best, group=0) for seed in facts.fresh_seeds]
            [add(label, "confirm", seed, default) for seed in facts.fresh_seeds]
    rows = [edited for r in rows if (edited := change(r) if change else r) is not None]
    return trial_table(rows, facts)


def continuations(values_S, num_seeds, rng, num=1500):
    """Values [num, num_seeds] that go on from `values_S`, mean and noise drawn from what these say (flat prior)."""
    n = len(values_S)
    spreads = np.std(values_S, ddof=1) * np.sqrt((n - 1) / rng.chisquare(n - 1, (num, 1)))
    means = np.mean(values_S) + spreads / np.sqrt(n) * rng.normal(size=(num, 1))
    new = means + spreads * rng.normal(size=(num, num_seeds - n))
    return np.hstack([np.broadcast_to(values_S, (num, n)), new])


def wider_by(num_groups):
    """By how much so few groups of test images widen an interval of 99 %, against fifty."""
    return stats.t.ppf(0.995, num_groups - 1) / stats.t.ppf(0.995, 49)
