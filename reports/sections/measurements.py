"""What else was measured at each loss's default: every declared measurement that no other section shows."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.facts import MeasureFacts
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.table.designs import default_score, losses_of
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import with_interval
from evenkeel.reports.verdict.convergence import RISE


class Measured(NamedTuple):
    """One column (a measurement on a split, or a part of it) at each loss's default."""

    title: str
    split: str
    part: str
    better: str
    by_loss: dict[str, Interval]


class Info(NamedTuple):
    losses: list[str]
    columns: list[Measured]


@dataclass(frozen=True)
class Measurements:
    """Means over seeds with t-intervals; nothing is judged by them."""

    key: str = "measurements"
    title: str = "Other measurements"
    question: str = "What else was measured at the defaults?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if _others(table) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        columns: list[Measured] = []
        for name, measure in _others(table).items():
            for split in measure.splits:
                for part in ("", *measure.parts):
                    by_loss = {loss: default_score(table, loss, name, part, split) for loss in losses_of(table)}
                    columns.append(Measured(measure.title, split, part, measure.better, by_loss))
        known = [column for column in columns if any(interval.n for interval in column.by_loss.values())]
        return Info(losses_of(table), known)

    def draw(self, info: Info) -> None:
        return None

    def rows(self, info: Info) -> pd.DataFrame | None:
        if not info.columns:
            return None
        return pd.DataFrame(
            [
                {"measurement": c.title, "split": c.split, "part": c.part, "better": c.better}
                | {loss: with_interval(c.by_loss[loss]) for loss in info.losses}
                for c in info.columns
            ]
        )

    def answer(self, info: Info) -> str:
        if not info.columns:
            return "No default has been measured yet."
        return f"{len(info.columns)} more columns, mean over seeds with 95% t-intervals; no verdict rests on them."


def _others(table: pd.DataFrame) -> dict[str, MeasureFacts]:
    """What is shown nowhere else: by a section of its own, by a switch of the page or as a word on training."""
    return {
        name: measure
        for name, measure in facts_of(table).measures.items()
        if not measure.headline and not measure.repeats and name != RISE
    }
