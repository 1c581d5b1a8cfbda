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
from evenkeel.reports.table.record_files import RecordFile, any_trial_has, files_at_defaults, npz_arrays, provenance
from evenkeel.reports.table.trial_table import facts_of

EMBEDDING_FILE, MAX_POINTS, MAX_COLUMNS, FRAME_SIDE = "embedding.npz", 500, 3, 260
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#7c3aed", "#8c564b")


class LossEmbedding(NamedTuple):
    """Embedding [n, 2] of a loss's test images; `groups` [n] number the class that is shown, -1 none or several."""

    loss: str
    points: np.ndarray
    groups: np.ndarray


class EmbeddingNumbers(NamedTuple):
    losses: list[str]
    files: dict[str, RecordFile]
    classes: list[str]
    embeddings: list[LossEmbedding]


@dataclass(frozen=True)
class Embedding:
    """One frame a loss. A class has a colour and a shape; distances between frames mean nothing."""

    key: str = "embedding"
    title: str = "Embedding of test images"
    question: str = "Which classes does the model keep apart?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if any_trial_has(table, EMBEDDING_FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> EmbeddingNumbers:
        files, names = files_at_defaults(table, EMBEDDING_FILE), facts_of(table).data.classes
        arrays = {loss: npz_arrays(file.content) for loss, file in files.items()}
        if not arrays:
            return EmbeddingNumbers(losses_of(table), files, [], [])
        counts = next(iter(arrays.values()))["targets"].sum(0, dtype=int)
        classes = np.argsort(-counts, kind="stable")[: len(PALETTE)]
        embeddings = [
            LossEmbedding(loss, *_first_points(array["tsne"], array["targets"][:, classes]))
            for loss, array in arrays.items()
        ]
        return EmbeddingNumbers(losses_of(table), files, [names[c] for c in classes if counts[c]], embeddings)

    def draw(self, info: EmbeddingNumbers) -> Drawing | None:
        if not info.embeddings:
            return None
        titles = [embedding.loss for embedding in info.embeddings]
        drawn = frames(titles, height=FRAME_SIDE, columns=min(MAX_COLUMNS, len(titles)))
        for i, embedding in enumerate(info.embeddings):
            for group in range(-1, len(info.classes)):
                points = embedding.points[embedding.groups == group].round(2)
                drawn.add_scatter(
                    x=points[:, 0].tolist(), y=points[:, 1].tolist(), xaxis=f"x{axis_number(i)}",
                    yaxis=f"y{axis_number(i)}", mode="markers", name=_named(info.classes, group), showlegend=i == 0,
                    hovertemplate=f"{_named(info.classes, group)}<extra>{embedding.loss}</extra>",
                    marker={"color": FAINT if group < 0 else PALETTE[group], "size": 5 if group < 0 else 7,
                            "opacity": 0.35 if group < 0 else 0.8,
                            "symbol": "circle" if group < 0 else SYMBOLS[group]},
                )  # fmt: skip
        return drawn

    def rows(self, info: EmbeddingNumbers) -> None:
        return None

    def answer(self, info: EmbeddingNumbers) -> str:
        if not info.embeddings:
            return "No default has coordinates yet."
        return (
            f"t-SNE of up to {MAX_POINTS} test images (perplexity 30 or less, fixed seed); coloured are images with "
            f"one of the classes {', '.join(info.classes)}, grey those with none or several of them. "
            f"{provenance(info.files, info.losses)} t-SNE keeps neighbours, not distances: clusters prove nothing."
        )


def _first_points(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first MAX_POINTS points [n, 2] and their groups [n], of targets [N, shown classes]."""
    few = targets[:MAX_POINTS]
    return points[:MAX_POINTS], np.where(few.sum(1) == 1, few.argmax(1), -1)


def _named(classes: list[str], group: int) -> str:
    return classes[group] if group >= 0 else "none or several"
