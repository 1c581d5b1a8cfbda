"""What do the labels look like? Positives of each class, imbalance ratio, and where head, medium and tail are cut.

Source: Fig. 1 and Tables 1 and 2 of the RAL paper.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.facts import DataFacts
from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import figure
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import counted

GROUP_COLOURS = {"head": "#0072b2", "medium": "#e69f00", "tail": "#d55e00"}


class LabelNumbers(NamedTuple):
    data: DataFacts
    order: list[int]
    """Class numbers from the most frequent in train to the rarest."""

    @property
    def positives(self) -> list[int]:
        """Train positives in this order."""
        return [self.data.positives["train"][c] for c in self.order]

    @property
    def ratio(self) -> float:
        """Positives of the most frequent class in those of the rarest that has any; NaN without positives."""
        present = [count for count in self.positives if count]
        return present[0] / present[-1] if present else np.nan


@dataclass(frozen=True)
class LabelDistribution:
    """The label distribution of the study's data, as it is split."""

    key: str = "labels"
    title: str = "Labels of the data"
    question: str = "How unequal are the classes, and which of them are head, medium and tail?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        data = facts_of(table).data
        return [cls()] if len(data.classes) > 1 and len(data.positives.get("train", ())) == len(data.classes) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> LabelNumbers:
        data = facts_of(table).data
        return LabelNumbers(data, sorted(range(len(data.classes)), key=lambda c: -data.positives["train"][c]))

    def draw(self, info: LabelNumbers) -> Drawing:
        drawn = figure(x_title="classes, the most frequent first", y_title="positives in train", height=300)
        drawn.update_yaxes(type="log")
        groups = {c: group for group, members in info.data.groups.items() for c in members}
        for group, colour in GROUP_COLOURS.items():
            places = [i for i, c in enumerate(info.order) if groups.get(c, "head") == group and info.positives[i]]
            drawn.add_scatter(
                x=[i + 1 for i in places],
                y=[info.positives[i] for i in places],
                text=[info.data.classes[info.order[i]] for i in places],
                mode="markers",
                marker={"color": colour, "size": 8},
                name=group,
                hovertemplate="%{text}: %{y}<extra></extra>",
            )
        return drawn

    def rows(self, info: LabelNumbers) -> pd.DataFrame:
        data, splits = info.data, [split for split in ("train", "val", "test") if info.data.positives.get(split)]
        return pd.DataFrame(
            [
                {"group": group, "classes": len(members)}
                | {
                    f"{split} positives a class": _range([data.positives[split][c] for c in members])
                    for split in splits
                }
                for group, members in data.groups.items()
                if members
            ]
        )

    def answer(self, info: LabelNumbers) -> str:
        data, positives = info.data, info.positives
        most, least = (data.classes[info.order[i]] for i in (0, -1))
        if not np.isfinite(info.ratio):
            return "No class has a positive in train."
        without = sum(count == 0 for count in positives)
        more = f" Of {len(positives)} classes {without} have none." if without else ""
        return (
            f"{data.name}: the most frequent class, {most}, has {counted(positives[0], 'positive')} in train, the "
            f"rarest, {least}, {positives[-1]:,}; imbalance ratio {info.ratio:,.0f}.{more}"
        )


def _range(counts: list[int]) -> str:
    return f"{max(counts):,}" if max(counts) == min(counts) else f"{max(counts):,} to {min(counts):,}"
