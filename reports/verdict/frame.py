"""The verdicts of a study as a frame: what the page says of each loss and hyperparameter, for a program to read."""

import pandas as pd

from evenkeel.reports.table.designs import losses_of, sweep_of, swept_hyperparameters, with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.verdict.verdict import judge

WORDS = ["loss", "hyperparameter", "metric", "verdict"]
NUMBERS = ["worst_drop", "low", "high", "margin", "seeds_needed"]


def verdict_frame(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a loss and hyperparameter that a sweep moved, in the order of the page; see `Judgement` for the columns.

    `worst_drop`, `low`, `high` (95 %) and `margin` are in the unit of `metric`; `seeds_needed` is missing where no
    number of seeds is known; `reasons` are sentences, joined by "; ".
    """
    study, names = facts_of(of_metric := with_metric(table, metric)), swept_hyperparameters(table)
    sweeps = [sweep_of(of_metric, loss, name) for loss in losses_of(table) for name in names]
    rows = []
    for sweep in filter(None, sweeps):
        judgement = judge(sweep, study.margin, study.floor)
        drop = judgement.drop
        words = (sweep.loss, sweep.name, metric, judgement.status)
        numbers = (drop.value, drop.low, drop.high, study.margin, judgement.seeds_needed)
        rows.append((*words, *numbers, "; ".join(judgement.reasons)))
    return pd.DataFrame(rows, columns=[*WORDS, *NUMBERS, "reasons"]).astype({"seeds_needed": "Int64"})
