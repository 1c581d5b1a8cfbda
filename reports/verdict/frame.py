"""The verdicts of a study as a frame: what the page says of each loss and hyperparameter, for a program to read."""

import pandas as pd

from evenkeel.reports.table.designs import with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.verdict.family import judgements

WORD_COLUMNS = ["loss", "hyperparameter", "metric", "verdict"]
NUMBER_COLUMNS = ["worst_drop", "low", "high", "margin", "seeds_needed"]


def verdict_frame(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a loss and hyperparameter that a sweep moved, in the order of the page; see `Judgement` for the columns.

    `worst_drop`, `low`, `high` (of the interval that the verdict is read off) and `margin` are in the unit of `metric`;
    `seeds_needed` is missing where no number of seeds is known; `reasons` are sentences, joined by "; ".
    """
    study, rows = facts_of(of_metric := with_metric(table, metric)), []
    for (loss, name), judgement in judgements(of_metric).items():
        drop = judgement.drop
        words = (loss, name, metric, judgement.status)
        numbers = (drop.value, drop.low, drop.high, study.margin, judgement.seeds_needed)
        rows.append((*words, *numbers, "; ".join(judgement.reasons)))
    return pd.DataFrame(rows, columns=[*WORD_COLUMNS, *NUMBER_COLUMNS, "reasons"]).astype({"seeds_needed": "Int64"})
