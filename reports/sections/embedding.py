"""How do images lie to each other? t-SNE of test embeddings, each loss at its default (LM-CLIP Fig. 8)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.image_grid import frames
from evenkeel.reports.figures.small_multiples import axis_number
from evenkeel.reports.figures.style import FAINT, SYMBOLS
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import Kept, arrays, has_any, kept, whose
from evenkeel.reports.table.trial_table import facts_of

FILE, MOST_POINTS, COLUMNS, SIDE = "embedding.npz", 500, 3, 260
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#7c3aed", "#8c564b")


class Cloud(NamedTuple):
    """Coordinates [n, 2] of a loss's test images; `groups` [n] number the class that is shown, -1 none or several."""

    loss: str
    points: np.ndarray
    groups: np.ndarray


class Info(NamedTuple):
    losses: list[str]
    files: dict[str, Kept]
    classes: list[str]
    clouds: list[Cloud]


@dataclass(frozen=True)
class Coordinates:
    """One frame a loss. A class has a colour and a shape; distances between frames mean nothing."""

    key: str = "embedding"
    title: str = "How images lie to each other"
    question: str = "Which classes does the model keep apart?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_any(table, FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        files, names = kept(table, FILE), facts_of(table).data.classes
        found = {loss: arrays(one.content) for loss, one in files.items()}
        if not found:
            return Info(losses_of(table), files, [], [])
        counts = next(iter(found.values()))["targets"].sum(0, dtype=int)
        shown = np.argsort(-counts, kind="stable")[: len(PALETTE)]
        clouds = [Cloud(loss, *_cloud(of["tsne"], of["targets"][:, shown])) for loss, of in found.items()]
        return Info(losses_of(table), files, [names[c] for c in shown if counts[c]], clouds)

    def draw(self, info: Info) -> Drawing | None:
        if not info.clouds:
            return None
        drawn = frames([cloud.loss for cloud in info.clouds], height=SIDE, columns=min(COLUMNS, len(info.clouds)))
        for i, cloud in enumerate(info.clouds):
            for group in range(-1, len(info.classes)):
                points = cloud.points[cloud.groups == group].round(2)
                drawn.add_scatter(
                    x=points[:, 0].tolist(), y=points[:, 1].tolist(), xaxis=f"x{axis_number(i)}",
                    yaxis=f"y{axis_number(i)}", mode="markers", name=_named(info.classes, group), showlegend=i == 0,
                    hovertemplate=f"{_named(info.classes, group)}<extra>{cloud.loss}</extra>",
                    marker={"color": FAINT if group < 0 else PALETTE[group], "size": 5 if group < 0 else 7,
                            "opacity": 0.35 if group < 0 else 0.8,
                            "symbol": "circle" if group < 0 else SYMBOLS[group]},
                )  # fmt: skip
        return drawn

    def rows(self, info: Info) -> None:
        return None

    def answer(self, info: Info) -> str:
        if not info.clouds:
            return "No default has coordinates yet."
        return (
            f"t-SNE of up to {MOST_POINTS} test images (perplexity 30 or less, fixed seed); coloured are images with "
            f"one of the classes {', '.join(info.classes)}, grey those with none or several of them. "
            f"{whose(info.files, info.losses)} t-SNE keeps neighbours, not distances: clusters prove nothing."
        )


def _cloud(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first MOST_POINTS points [n, 2] and their groups [n], of targets [N, shown classes]."""
    few = targets[:MOST_POINTS]
    return points[:MOST_POINTS], np.where(few.sum(1) == 1, few.argmax(1), -1)


def _named(classes: list[str], group: int) -> str:
    return classes[group] if group >= 0 else "none or several"
