"""Trial tables with a known truth, for the report's tests."""

from itertools import product

import numpy as np

from reports.table import metric_columns, trial_table
from search_spaces import SPACES

NAMES = {"apl": ("gamma_neg", "clip"), "ral": ("gamma_neg", "clip", "hill_lambda"), "bce": ()}


def study(num_seeds=6, metric="f1", margin=0.01):
    """Facts of a study of three losses, as `study` writes them."""
    losses = {}
    for label, names in NAMES.items():
        space = {n: vars(SPACES[label].parameters[n]) | {"kind": "float"} for n in names}
        losses[label] = {"loss": label, "fixed": {}, "space": space,
                         "defaults": {n: p["default"] for n, p in space.items()}}  # fmt: skip
    return {
        "name": "synthetic", "description": "a <b>known</b> truth </script>", "metric": metric, "margin": margin,
        "reduction": "mean", "seeds": list(range(num_seeds)), "fresh_seeds": [50, 51, 52, 53, 54],
        "data": {"name": "none", "classes": ["a", "b"], "rows": {"train": 5, "val": 3, "test": 4},
                 "groups": {"head": [0], "medium": [], "tail": [1]}, "undefined": {"val": ["b"], "test": []}},
        "trainable": {"backbone": {"name": "none"}, "epochs": 1, "batch": 1, "lr": 0.1},
        "planned": {label: {"sweep": 0} for label in NAMES}, "losses": losses,
    }  # fmt: skip


def row(number, label, design, seed, setting, score, state="done", group=None):
    metrics = dict.fromkeys(metric_columns(), score)
    return {
        "trial_id": f"{number:016x}", "loss": label, "loss_name": label, "design": design, "seed": seed,
        "group": group, "state": state, "wall_s": 0.1, "epochs_done": 1, "host": "h", "versions": "evenkeel 0",
        "note": "" if state == "done" else f"it {state}", "hyperparameters": setting, "metrics": metrics,
    }  # fmt: skip


def table(rng, truth, *, num_seeds=6, noise=0.002, designs=("sweep", "sobol", "search"), change=None):
    """A whole study: `truth(label, setting)` plus seed effects and noise. `change(row)` edits or drops (None) a row."""
    facts = study(num_seeds)
    rows = []

    def add(label, design, seed, setting, group=None):
        effect = 0.02 * np.sin(seed)
        rows.append(row(len(rows), label, design, seed, setting, truth(label, setting) + effect + rng.normal(0, noise),
                        group=group))  # fmt: skip

    for label, loss in facts["losses"].items():
        default = loss["defaults"]
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
            [add(label, "sweep", seed, s) for s, seed in product(settings, facts["seeds"])]
        if "sobol" in designs:
            [add(label, "sobol", seed, s) for s, seed in product(points, facts["seeds"])]
        if "search" in designs and default:
            [add(label, "search", 0, s, group=0) for s in points]
            best = max(points, key=lambda s: truth(label, s))
            [add(label, "confirm", seed, best, group=0) for seed in facts["fresh_seeds"]]
            [add(label, "confirm", seed, default) for seed in facts["fresh_seeds"]]
    rows = [edited for r in rows if (edited := change(r) if change else r) is not None]
    return trial_table(rows, facts)
