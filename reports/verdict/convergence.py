"""Whether the training of a loss looks unfinished: its validation score was still rising when the epochs ended."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.intervals import CONFIDENCE, t_quantile
from evenkeel.reports.table.designs import default_scores, losses_of
from evenkeel.reports.table.trial_table import facts_of

RISE = "rise"
"""The measure that says how much each trial rose over the last quarter of its epochs, and its standard error."""
DEGREES_OF_FREEDOM = 2
"""Degrees of freedom of a trial's standard error at least: a line through four epochs or more."""


class Unfinished(NamedTuple):
    """A loss that at its default rose by `rise` on average, and surely by more than the margin."""

    loss: str
    rise: float


def unfinished(table: pd.DataFrame) -> list[Unfinished]:
    """The losses that, at their defaults, rose by more than the margin of the study's metric, beyond their scatter.

    Trials of versions that did not measure it say nothing.
    """
    study = facts_of(table)
    if RISE not in study.measures:
        return []
    margin = study.margins[study.chosen_by or study.metric]
    still_rising = []
    for loss in losses_of(table):
        rises, errors = (default_scores(table, loss, f"val_{RISE}{part}") for part in ("", "_error"))
        finite = np.isfinite(rises) & np.isfinite(errors)
        if finite.any() and sure_rise(rises[finite], errors[finite]) > margin:
            still_rising.append(Unfinished(loss, float(rises[finite].mean())))
    return still_rising


def sure_rise(rises_S: np.ndarray, errors_S: np.ndarray) -> float:
    """The mean rise [S] of the seeds minus Student's t at 95%, one-sided, times its standard error; errors_S [S]."""
    n = len(rises_S)
    return float(rises_S.mean() - t_quantile(CONFIDENCE, DEGREES_OF_FREEDOM * n) * np.linalg.norm(errors_S) / n)
