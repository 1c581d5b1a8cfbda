"""What MLflow says of each loss in numbers, when trials are recorded."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from evenkeel.reports.sections.tuned import Tuned
from evenkeel.reports.sections.verdicts import Verdicts
from evenkeel.reports.table.designs import default_score, losses_of
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.study.tracking.tracker import Summary

RESAMPLING_SEED = 0
"""Of the resampling in the summaries."""


def summarize_losses(table: pd.DataFrame) -> dict[str, Summary]:
    """By loss: the score at its default with its interval, the worst change and verdict of each hyperparameter, the
    best tuned score. Undefined numbers are left out."""
    rng = np.random.default_rng(RESAMPLING_SEED)
    by_loss = {loss: Summary(_default(table, loss)) for loss in losses_of(table)}
    for cell in Verdicts().compute(table, rng).cells.values():
        by_loss[cell.loss].numbers[f"worst_drop/{cell.name}"] = cell.judged.drop.value
        by_loss[cell.loss].words[f"verdict/{cell.name}"] = cell.judged.status
    for winner in Tuned().compute(table, rng).winners:
        by_loss[winner.loss].numbers[f"tuned/score_{winner.group}"] = winner.tuned.value
    return {loss: replace(summary, numbers=_finite(summary.numbers)) for loss, summary in by_loss.items()}


def _default(table: pd.DataFrame, loss: str) -> dict[str, float]:
    score = default_score(table, loss, facts_of(table).metric)
    return {"default/score": score.value, "default/low": score.low, "default/high": score.high}


def _finite(numbers: dict[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in numbers.items() if math.isfinite(value)}
