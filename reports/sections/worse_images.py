"""How do scores hold when test images are blurred, noisy or enlarged? Each loss at its default (RAL Tables 7 to 9)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import add_curve, axis_number, multiples
from evenkeel.reports.figures.style import bars, looks, plain, symbols
from evenkeel.reports.statistics.intervals import Interval, t_interval
from evenkeel.reports.table.designs import default_scores, losses_of
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, listed, with_interval


class WorseImagesCell(NamedTuple):
    """One loss under one change of the images: its score, and what the change cost, paired by seed."""

    loss: str
    kind: str
    level: str
    score: Interval
    change: Interval


class WorseImagesNumbers(NamedTuple):
    title: str
    margin: float
    cells: list[WorseImagesCell]
    elsewhere: list[str]
    """Metrics, in words, under which something was measured."""
    looks: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class WorseImages:
    """One frame a kind of change, from mild to severe; the stripe is the margin."""

    key: str = "worse-images"
    title: str = "On worse images"
    question: str = "What does each loss lose when test images are not those it was trained on?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if any(measure.repeats for measure in facts_of(table).measures.values()) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> WorseImagesNumbers:
        study = facts_of(table)
        repeating = {name: m for name, m in study.measures.items() if m.repeats == study.metric}
        cells_or_gaps = [
            _cell(table, loss, f"test_{name}_{part}", label)
            for loss in losses_of(table)
            for name, measure in repeating.items()
            for part, label in zip(measure.parts, measure.labels or measure.parts, strict=True)
        ]
        metrics = dict.fromkeys(measure.repeats for measure in study.measures.values() if measure.repeats)
        cells = [cell for cell in cells_or_gaps if cell.score.n]
        return WorseImagesNumbers(
            study.title, study.margin, cells, [study.measures[m].title for m in metrics], looks(study.losses)
        )

    def draw(self, info: WorseImagesNumbers) -> Drawing | None:
        if not info.cells:
            return None
        kinds, losses = (list(dict.fromkeys(getattr(cell, field) for cell in info.cells)) for field in ("kind", "loss"))
        views = {"": f"{info.title} minus that on the test images as they are"}
        margins, shapes = [info.margin] * len(kinds), symbols(losses)
        drawn = multiples(kinds, views, margins=margins, num_entries=len(losses))
        for i, kind in enumerate(kinds):
            drawn.update_layout({f"xaxis{axis_number(i)}": {"type": "category"}})
            for loss in losses:
                cells = [cell for cell in info.cells if (cell.kind, cell.loss) == (kind, loss)]
                add_curve(
                    drawn, i, loss, info.looks[loss], shapes[loss],
                    x=[cell.level for cell in cells], y=plain(cell.change.value for cell in cells),
                    error_y=bars([cell.change for cell in cells], width=3),
                    hovertemplate=f"<b>{loss}</b>, {kind} %{{x}}<br>%{{y:+.4f}}<extra></extra>",
                )  # fmt: skip
        return drawn

    def rows(self, info: WorseImagesNumbers) -> pd.DataFrame | None:
        if not info.cells:
            return None
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for c in info.cells:
            text = f"{with_interval(c.score)}; {with_interval(c.change, SIGNED)}"
            rows.setdefault((c.kind, c.level), {"images": c.kind, "severity": c.level})[c.loss] = text
        return pd.DataFrame(list(rows.values())).fillna("")

    def answer(self, info: WorseImagesNumbers) -> str:
        if not info.cells:
            return f"Measured in {listed(info.elsewhere)}: choose one of them above, once a default has been scored."
        worst = [min((c for c in info.cells if c.loss == loss), key=lambda c: c.change.value)
                 for loss in dict.fromkeys(cell.loss for cell in info.cells)]  # fmt: skip
        changes = "; ".join(f"{c.loss} {c.change.value:+.3f} ({c.kind}: {c.level})" for c in worst)
        return (
            f"{info.title}, mean over seeds and 95% t-interval, then the change from clean images, paired by seed. The "
            f"largest drop of each: {changes}. The severities are ours; no verdict rests on them."
        )


def _cell(table: pd.DataFrame, loss: str, column: str, label: str) -> WorseImagesCell:
    """`label` is `kind: level`."""
    kind, _, level = label.rpartition(": ")
    study = facts_of(table)
    scores, clean = default_scores(table, loss, column), default_scores(table, loss)
    score, change = t_interval(scores, shared=study.shared_alone), t_interval(scores - clean, shared=study.shared)
    return WorseImagesCell(loss, kind, level, score, change)
