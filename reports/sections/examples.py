"""What does the model say of a few test images? Their highest scores, each loss at its default (LM-CLIP Fig. 7)."""

from dataclasses import dataclass
from textwrap import wrap
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.image_grid import frames, picture, square
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import Kept, arrays, has_any, kept, whose
from evenkeel.reports.table.trial_table import facts_of

FILE, SIDE, MOST_NAMES = "examples.npz", 96, 5
"""Pixels of an image; names of a cell."""


class Info(NamedTuple):
    """By loss and image, in words: the highest scores; `labels` of each image."""

    losses: list[str]
    files: dict[str, Kept]
    sheet: bytes
    labels: list[str]
    said: dict[str, list[str]]


@dataclass(frozen=True)
class Examples:
    """The images below each other, beside them what each loss says of them."""

    key: str = "examples"
    title: str = "Example predictions"
    question: str = "What does each loss say of the same images?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_any(table, FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        files, classes = kept(table, FILE), facts_of(table).data.classes
        found = {loss: arrays(one.content) for loss, one in files.items()}
        if not found:
            return Info(losses_of(table), files, b"", [], {})
        first = next(iter(found.values()))
        labels = [", ".join(classes[c] for c in np.flatnonzero(row)) or "none" for row in first["targets"]]
        said = {loss: [_said(*rows, classes) for rows in zip(of["scores"], of["targets"], strict=True)]
                for loss, of in found.items()}  # fmt: skip
        return Info(losses_of(table), files, first["sheet"].tobytes(), labels, said)

    def draw(self, info: Info) -> Drawing | None:
        num = len(info.labels)
        if not num:
            return None
        drawn = frames(["image"], height=SIDE * num, columns=1)
        drawn.update_layout(xaxis={"range": [0, 8]}, yaxis={"range": [num, 0]})
        square(drawn)
        text = ["<br>".join(wrap(labels, 60)) for labels in info.labels]
        drawn.add_scatter(
            x=[1.1] * num, y=[i + 0.5 for i in range(num)], mode="text", text=text, textposition="middle right",
            hoverinfo="skip", name="labels",
        )  # fmt: skip
        picture(drawn, 0, info.sheet, size=(1, num))
        return drawn

    def rows(self, info: Info) -> pd.DataFrame | None:
        return pd.DataFrame({"labels": info.labels, **info.said}) if info.labels else None

    def answer(self, info: Info) -> str:
        if not info.labels:
            return "No default has examples yet."
        return (
            f"The {MOST_NAMES} highest scores of each image in percent, right ones marked ✓; images of frequent to "
            f"rare classes, the same for every loss. {whose(info.files, info.losses)}"
        )


def _said(scores: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> str:
    """The highest scores of one image."""
    order = np.argsort(-scores.astype(float), kind="stable")[:MOST_NAMES]
    return ", ".join(f"{classes[c]} {100 * float(scores[c]):.0f}{' ✓' if targets[c] else ''}" for c in order)
