"""All decisions of a page on one metric as families: what one claims is held against how many are claimed.

* "Steady": a page calls a hyperparameter steady that is not in at most 5 % of studies. The errors are set by
  Hochberg's step-up rule: where every cell passes at 5 % all are steady, where fewer do the bound is stricter.
* Drops and differences: verdicts "sensitive" and "real drop", and comparisons of two losses, are one family of 5 %,
  each cell and each comparison with an equal part of it.
* Levels that beat the default: a family of 5 % over all levels of the page.
* Looks: a study that grew from run to run has a smaller part of each (error_of_look).

Variances are drawn towards their kind's (pooled_noise). Measured: benchmarks/decisions.py. Source: Hochberg 1988.
"""

from math import comb
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.error_model import ALPHA, Estimates, error_of_look, joined, share_of_next_look
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.statistics.pooled_noise import Prior, common_noise
from evenkeel.reports.table.designs import Sweep, losses_of, sweep_of, swept_hyperparameters
from evenkeel.reports.table.memo import cached_by_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import listed
from evenkeel.reports.verdict.verdict import Judgement, Standard, deciding_interval, estimates_of, judge, may_be_steady

Key = tuple[str, str]
"""A loss and a hyperparameter."""


class Family(NamedTuple):
    """What a page judges on one metric: all sweeps, and by which errors."""

    sweeps: dict[Key, Sweep]
    standard: Standard
    alpha: float
    """The error of each kind of sentence on this page."""
    num_units: int
    """Cells and comparisons: what shares the error of drops and differences."""


@cached_by_metric
def family_of(table: pd.DataFrame) -> Family:
    """The family of a table's metric."""
    study, alpha = facts_of(table), error_of_look(facts_of(table).look)
    by_name = [sweeps_of(table, name) for name in swept_hyperparameters(table)]
    sweeps = {(sweep.loss, sweep.name): sweep for alike in by_name for sweep in alike}
    num_units = len(sweeps) + sum(comb(len(alike), 2) for alike in by_name)
    standard = Standard(
        steady=alpha,
        drop=alpha / 2 / max(1, num_units),
        better=alpha / 2,
        num_levels=sum(len(sweep.moved) + sweep.num_unfilled for sweep in sweeps.values()),
        noise=_noise(list(sweeps.values())),
        next_look=share_of_next_look(study.look),
    )
    eligible = [sweep for sweep in sweeps.values() if may_be_steady(sweep, study.margin, study.floor)]
    steady = hochberg([estimates_of(sweep, standard.noise) for sweep in eligible], study.margin, standard)
    return Family(sweeps, standard._replace(steady=steady), alpha, num_units)


@cached_by_metric
def judgements(table: pd.DataFrame) -> dict[Key, Judgement]:
    """The verdict of every loss and hyperparameter that was swept, losses first, in the order of the page."""
    study, family = facts_of(table), family_of(table)
    return {
        (loss, name): judge(family.sweeps[loss, name], study.margin, study.floor, family.standard)
        for loss in losses_of(table)
        for name in swept_hyperparameters(table)
        if (loss, name) in family.sweeps
    }


def sweeps_of(table: pd.DataFrame, name: str) -> list[Sweep]:
    """The sweeps of one hyperparameter, by loss."""
    return [sweep for loss in losses_of(table) if (sweep := sweep_of(table, loss, name))]


class WorstOver(NamedTuple):
    """The largest drop of a loss over several hyperparameters, and where it is."""

    drop: Interval
    name: str


def worst_over(table: pd.DataFrame, losses: list[str], names: list[str]) -> dict[str, WorstOver]:
    """For each of these losses, with intervals that allow for the choice and hold for all of them together (95 %)."""
    family, error = family_of(table), family_of(table).alpha / 2 / max(1, len(losses))
    standard = family.standard._replace(steady=error, drop=error)
    return {loss: _worst_of([family.sweeps[loss, name] for name in names], standard) for loss in losses}


def _worst_of(sweeps: list[Sweep], standard: Standard) -> WorstOver:
    estimates = [estimates_of(sweep, standard.noise) for sweep in sweeps]
    num_moved, num_unfilled = (sum(len(s.moved) for s in sweeps), sum(s.num_unfilled for s in sweeps))
    standard = standard.for_levels(num_moved, num_unfilled)
    worst = int(np.nanargmin([deciding_interval(estimate, standard).value for estimate in estimates]))
    return WorstOver(deciding_interval(joined(estimates), standard), sweeps[worst].name)


def rests_on(table: pd.DataFrame) -> str:
    """What the verdicts of a page hold, in a sentence or two, and what not."""
    study, family = facts_of(table), family_of(table)
    lacking = [
        *([] if study.resampled else ["train rows"]),
        *(
            []
            if study.folds or any(sweep.images_LSG is not None for sweep in family.sweeps.values())
            else ["test images"]
        ),
    ]
    alone = f" for these {listed(lacking)} only" if lacking else ""
    lines = [f"Of such pages at most {ALPHA:.0%} call anything steady that is not, or sensitive that is not{alone}."]
    if study.former_seeds:
        seeds = listed([str(num) for num in (*study.former_seeds, len(study.seeds))])
        lines.append(f"The study grew: it was run with {seeds} seeds; this page allows for {study.look} looks at it.")
    if study.chosen_by not in (None, study.metric):
        lines.append(f"The study's metric is {study.chosen_by}: what this metric says is a lead, not a finding.")
    return " ".join(lines)


def hochberg(cells: list[Estimates], margin: float, standard: Standard) -> float:
    """The one-sided error at which each of these cells may be called steady, so that a page errs by `standard.steady`.

    With m cells: the largest share 1/j of it, j = 1..m, at which at least m - j + 1 are steady. Source: Hochberg 1988.
    """
    num = len(cells)
    for j in range(1, num + 1):
        shared_out = standard._replace(steady=standard.steady / j)
        if sum(deciding_interval(cell, shared_out).low > -margin for cell in cells) >= num - j + 1:
            return shared_out.steady
    return standard.steady / max(1, num)


def _noise(sweeps: list[Sweep]) -> Prior:
    """What the noise of all levels of the page has in common, by the seeds that all of them have."""
    rows = [sweep.differences_LS[sweep.moved][:, : sweep.looks[0] if sweep.looks else None] for sweep in sweeps]
    return common_noise(np.vstack(rows)) if rows else Standard().noise
