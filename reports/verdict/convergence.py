"""Whether the training of a loss looks unfinished: its validation score was still rising when the epochs ended."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.error_model import error_of_look
from evenkeel.reports.statistics.intervals import t_quantile
from evenkeel.reports.table.designs import default_scores, losses_of
from evenkeel.reports.table.trial_table import facts_of

RISE = "rise"
"""The measure that says how much each trial rose over the last quarter of its epochs, and its standard error."""


class Unfinished(NamedTuple):
    """A loss that at its default rose by `rise` on average, and surely by more than the margin."""

    loss: str
    rise: float


def unfinished(table: pd.DataFrame) -> list[Unfinished]:
    """The losses that, at their defaults, surely rose by more than the margin of the study's metric.

    A page names one that did not in at most 5 % of studies, by the spread of the rises over seeds, of two at least.
    Trials of versions that did not measure it say nothing.
    """
    study = facts_of(table)
    if RISE not in study.measures:
        return []
    margin, losses = study.margins[study.chosen_by or study.metric], losses_of(table)
    rises = {loss: default_scores(table, loss, f"val_{RISE}") for loss in losses}
    finite = {loss: rise_S[np.isfinite(rise_S)] for loss, rise_S in rises.items()}
    alpha = error_of_look(study.look) / max(1, len(losses))
    return [
        Unfinished(loss, float(rise_S.mean())) for loss, rise_S in finite.items() if sure_rise(rise_S, alpha) > margin
    ]


def sure_rise(rises_S: np.ndarray, alpha: float) -> float:
    """The mean rise [S] of the seeds minus Student's t times its standard error, by how much seeds differ: one-sided.

    The scatter about a trial's own line says too little: it is carried from epoch to epoch, and a line follows it.
    """
    n = len(rises_S)
    if n < 2:
        return -np.inf
    return float(rises_S.mean() - t_quantile(1 - alpha, n - 1) * rises_S.std(ddof=1) / np.sqrt(n))
