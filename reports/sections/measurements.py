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


class MeasurementColumn(NamedTuple):
    """One column (a measurement on a split, or a part of it) at each loss's default."""

    title: str
    split: str
    part: str
    better: str
    by_loss: dict[str, Interval]


class MeasurementsNumbers(NamedTuple):
    losses: list[str]
    columns: list[MeasurementColumn]


@dataclass(frozen=True)
class Measurements:
    """Means over seeds with t-intervals; nothing is judged by them."""

    key: str = "measurements"
    title: str = "Other measurements"
    question: str = "What else was measured at the defaults?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if _others(table) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> MeasurementsNumbers:
        columns: list[MeasurementColumn] = []
        for name, measure in _others(table).items():
            for split in measure.splits:
                for part in ("", *measure.parts):
                    by_loss = {loss: default_score(table, loss, name, part, split) for loss in losses_of(table)}
                    columns.append(MeasurementColumn(measure.title, split, part, measure.better, by_loss))
        measured = [column for column in columns if any(interval.n for interval in column.by_loss.values())]
        return MeasurementsNumbers(losses_of(table), measured)

    def draw(self, info: MeasurementsNumbers) -> None:
        return None

    def rows(self, info: MeasurementsNumbers) -> pd.DataFrame | None:
        if not info.columns:
            return None
        return pd.DataFrame(
            [
                {"measurement": c.title, "split": c.split, "part": c.part, "better": c.better}
                | {loss: with_interval(c.by_loss[loss]) for loss in info.losses}
                for c in info.columns
            ]
        )

    def answer(self, info: MeasurementsNumbers) -> str:
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
