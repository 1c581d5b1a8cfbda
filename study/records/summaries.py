"""What MLflow says of a study and of each loss: in words before, in numbers when trials are recorded."""

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import trainables
from reports.designs import default_scores, losses_of
from reports.facts import LossFacts, StudyFacts
from reports.sections.tuned import Tuned
from reports.sections.verdicts import Verdicts
from reports.statistics import t_interval
from reports.table import facts_of
from study.records.ledger import Ledger
from study.records.table import table_from_ledger
from study.tracking.driver import About, Summary

SEED = 0
"""Of the resampling in the summaries."""


def about(facts: StudyFacts) -> About:
    """What the experiment's description says."""
    return About(
        name=facts.name,
        description=facts.description,
        data=facts.data.name,
        metric=facts.metric,
        seeds=list(facts.seeds),
        losses={label: _described(loss) for label, loss in facts.losses.items()},
        swept=sorted({name for loss in facts.losses.values() for name in loss.levels}),
        fixed={label: {k: str(v) for k, v in loss.fixed.items()} for label, loss in facts.losses.items()},
        planned={label: sum(counts.values()) for label, counts in facts.planned.items()},
    )


def _described(loss: LossFacts) -> str:
    rows = [
        f"| {name} | {p.symbol} | {p.default} | {p.options or f'{p.low} to {p.high}'} | {p.source} |"
        for name, p in loss.space.items()
    ]
    table = ["| hyperparameter | symbol | default | range | source |", "|---|---|---|---|---|", *rows] if rows else []
    return "\n".join([formula(loss.loss), "", *table])


def formula(loss: str) -> str:
    """The text of a loss, from its source: importing the losses would import torch. Empty for a user's own."""
    source = Path(trainables.__file__).parent / "losses" / f"{loss.replace('-', '_')}.py"
    if not source.exists():
        return ""
    classes = [node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    return next((text for node in classes if not node.name.startswith("_") and (text := ast.get_docstring(node))), "")


def summaries(ledger: Ledger) -> dict[str, Summary]:
    """By loss: the score at its default with its interval, the worst drop and verdict of each hyperparameter, the best
    tuned score. Undefined numbers are left out."""
    table = table_from_ledger(ledger)
    rng = np.random.default_rng(SEED)
    found = {loss: Summary(_default(table, loss)) for loss in losses_of(table)}
    for cell in Verdicts().compute(table, rng).cells.values():
        found[cell.loss].numbers[f"worst_drop/{cell.name}"] = cell.judged.drop.value
        found[cell.loss].words[f"verdict/{cell.name}"] = cell.judged.status
    for winner in Tuned().compute(table, rng).winners:
        found[winner.loss].numbers[f"tuned/score_{winner.group}"] = winner.tuned.value
    return {loss: replace(summary, numbers=_finite(summary.numbers)) for loss, summary in found.items()}


def _default(table: pd.DataFrame, loss: str) -> dict[str, float]:
    score = t_interval(default_scores(table, loss), resampled=facts_of(table).resampled)
    return {"default/score": score.value, "default/low": score.low, "default/high": score.high}


def _finite(numbers: dict[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in numbers.items() if math.isfinite(value)}
