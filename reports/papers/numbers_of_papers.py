"""What a paper prints beside what the study measured: a section per printed figure or table that the study repeats.

The values stand in numbers_of_papers.json, as printed, with their sources; doubts about them are its remarks.
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, figure, looks, plain
from evenkeel.reports.papers.matching import matching_labels
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.table.designs import default_score, sweep_of, swept_hyperparameters, with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import number, with_interval


@dataclass(frozen=True)
class PrintedRow:
    """One printed row: a loss, at one level of the hyperparameter that the figure moves, if it moves one.

    `setup` and `uses` as in `matching_labels`; `setup` on top of that of the item.
    """

    loss: str
    variant: str
    values: dict[str, float]
    level: float | None = None
    setup: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class PrintedItem:
    """A printed table or figure; `asks` is a column without which it is not shown."""

    key: str
    title: str
    source: str
    data: str
    protocol: str
    remark: str
    rows: tuple[PrintedRow, ...]
    setup: dict[str, Any]
    moved: str | None = None
    asks: str = ""


class PrintedPair(NamedTuple):
    """A printed value and ours."""

    row: PrintedRow
    label: str
    measure: str
    printed: float
    ours: Interval
    colour: str


class ItemNumbers(NamedTuple):
    item: PrintedItem
    data: str
    trainable: str
    measures: list[str]
    pairs: list[PrintedPair]


def printed_items() -> list[PrintedItem]:
    """All that is printed, in the order of the file."""
    contents = json.loads(
        files("evenkeel.reports.papers").joinpath("numbers_of_papers.json").read_text(encoding="utf-8")
    )
    return [PrintedItem(**{**entry, "rows": tuple(PrintedRow(**row) for row in entry["rows"])}) for entry in contents]


@dataclass(frozen=True)
class NumbersOfPapers:
    """A printed table or figure, its values beside ours."""

    item: PrintedItem = field(repr=False)

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls(item) for item in printed_items() if _applies(item, table)]

    @property
    def key(self) -> str:
        return self.item.key

    @property
    def title(self) -> str:
        return self.item.title

    @property
    def question(self) -> str:
        return "Comparison with the values printed in the paper"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ItemNumbers:
        study, measures = facts_of(table), _measures(self.item, table)
        look = looks(study.losses)
        pairs = [
            PrintedPair(row, label, name, row.values[name], _ours(table, self.item, row, label, name), look[label][0])
            for row, labels in _labels_of_rows(self.item, study)
            for label in labels
            for name in measures
            if name in row.values
        ]
        return ItemNumbers(self.item, study.data.name, ", ".join(study.trainable.values()), measures, pairs)

    def draw(self, info: ItemNumbers) -> Drawing | None:
        scored = [pair for pair in info.pairs if np.isfinite(pair.ours.value)]
        if not scored:
            return None
        drawn = figure(x_title="printed", y_title="here, on test")
        ends = [min(p.printed for p in scored), max(p.printed for p in scored)]
        drawn.add_scatter(
            x=ends, y=ends, mode="lines", line={"color": FAINT, "width": 1, "dash": "dot"}, name="the same"
        )
        for label in dict.fromkeys(pair.label for pair in scored):
            own = [pair for pair in scored if pair.label == label]
            drawn.add_scatter(
                x=[pair.printed for pair in own],
                y=plain(pair.ours.value for pair in own),
                mode="markers",
                marker={"color": own[0].colour, "size": 9},
                name=label,
                customdata=[[pair.row.variant, pair.measure] for pair in own],
                hovertemplate="%{customdata[0]}, %{customdata[1]}<br>printed %{x}, here %{y:.3f}<extra></extra>",
            )
        return drawn

    def rows(self, info: ItemNumbers) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "loss": [pair.label for pair in info.pairs],
                "row": [pair.row.variant for pair in info.pairs],
                "score": [pair.measure for pair in info.pairs],
                "printed": [number(pair.printed) for pair in info.pairs],
                "here": [with_interval(pair.ours) for pair in info.pairs],
            }
        )

    def answer(self, info: ItemNumbers) -> str:
        repeated = f"Repeats the printed recipe on {info.data}, as far as it is printed"
        protocols = f"There: {info.item.protocol}; here: {info.trainable}"
        sentences = [f"{repeated}. {protocols}.", *_order(info), info.item.remark, f"Source: {info.item.source}."]
        return "\n".join(sentence for sentence in sentences if sentence)


def _labels_of_rows(item: PrintedItem, study: StudyFacts) -> list[tuple[PrintedRow, list[str]]]:
    """Each printed row with the labels of the study that may stand beside it."""
    return [
        (row, matching_labels(study, row.loss, data=[item.data], setup=item.setup | row.setup, uses=row.uses))
        for row in item.rows
    ]


def _measures(item: PrintedItem, table: pd.DataFrame) -> list[str]:
    names = dict.fromkeys(name for row in item.rows for name in row.values)
    return [name for name in names if f"test_{name}" in table and table[f"test_{name}"].notna().any()]


def _applies(item: PrintedItem, table: pd.DataFrame) -> bool:
    moved = item.moved is None or item.moved in swept_hyperparameters(table)
    repeated = any(labels for _, labels in _labels_of_rows(item, facts_of(table)))
    measured = _measures(item, table)
    return moved and repeated and bool(measured) and (not item.asks or item.asks in measured)


def _ours(table: pd.DataFrame, item: PrintedItem, row: PrintedRow, label: str, name: str) -> Interval:
    if item.moved is None:
        return default_score(table, label, name)
    sweep = sweep_of(with_metric(table, name), label, item.moved)
    if sweep is None or row.level not in sweep.levels:
        return Interval(np.nan, np.nan, np.nan, 0)
    return sweep.level_scores[sweep.levels.index(row.level)]


def _order(info: ItemNumbers) -> list[str]:
    """Whether the printed order of rows is ours: Kendall's pairs, in words."""
    agree = total = 0
    for name in info.measures:
        pairs = [pair for pair in info.pairs if pair.measure == name and np.isfinite(pair.ours.value)]
        for i, first in enumerate(pairs):
            for second in pairs[:i]:
                printed, ours = first.printed - second.printed, first.ours.value - second.ours.value
                if printed and first.ours.value != second.ours.value:
                    total, agree = total + 1, agree + (printed * ours > 0)
    return [f"The order of two printed values comes back in {agree} of {total} pairs."] if total else []
