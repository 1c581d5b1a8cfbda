"""What does the model say of a few test images? Their highest scores, each loss at its default (LM-CLIP Fig. 7)."""

from dataclasses import dataclass
from textwrap import wrap
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.image_grid import frames, picture, square
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import RecordFile, any_trial_has, files_at_defaults, npz_arrays, provenance
from evenkeel.reports.table.trial_table import facts_of

EXAMPLES_FILE, IMAGE_SIDE, MAX_NAMES = "examples.npz", 96, 5
"""Pixels of an image; names of a cell."""


class ExamplesNumbers(NamedTuple):
    """By loss and image, in words: the highest scores; `labels` of each image."""

    losses: list[str]
    files: dict[str, RecordFile]
    sheet: bytes
    labels: list[str]
    predictions: dict[str, list[str]]


@dataclass(frozen=True)
class Examples:
    """The images below each other, beside them what each loss says of them."""

    key: str = "examples"
    title: str = "Example predictions"
    question: str = "What does each loss say of the same images?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if any_trial_has(table, EXAMPLES_FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ExamplesNumbers:
        files, classes = files_at_defaults(table, EXAMPLES_FILE), facts_of(table).data.classes
        arrays = {loss: npz_arrays(file.content) for loss, file in files.items()}
        if not arrays:
            return ExamplesNumbers(losses_of(table), files, b"", [], {})
        first = next(iter(arrays.values()))
        labels = [", ".join(classes[c] for c in np.flatnonzero(row)) or "none" for row in first["targets"]]
        predictions = {loss: [_highest(*rows, classes) for rows in zip(array["scores"], array["targets"], strict=True)]
                for loss, array in arrays.items()}  # fmt: skip
        return ExamplesNumbers(losses_of(table), files, first["sheet"].tobytes(), labels, predictions)

    def draw(self, info: ExamplesNumbers) -> Drawing | None:
        num = len(info.labels)
        if not num:
            return None
        drawn = frames(["image"], height=IMAGE_SIDE * num, columns=1)
        drawn.update_layout(xaxis={"range": [0, 8]}, yaxis={"range": [num, 0]})
        square(drawn)
        text = ["<br>".join(wrap(labels, 60)) for labels in info.labels]
        drawn.add_scatter(
            x=[1.1] * num, y=[i + 0.5 for i in range(num)], mode="text", text=text, textposition="middle right",
            hoverinfo="skip", name="labels",
        )  # fmt: skip
        picture(drawn, 0, info.sheet, size=(1, num))
        return drawn

    def rows(self, info: ExamplesNumbers) -> pd.DataFrame | None:
        return pd.DataFrame({"labels": info.labels, **info.predictions}) if info.labels else None

    def answer(self, info: ExamplesNumbers) -> str:
        if not info.labels:
            return "No default has examples yet."
        return (
            f"The {MAX_NAMES} highest scores of each image in percent, right ones marked ✓; images of frequent to "
            f"rare classes, the same for every loss. {provenance(info.files, info.losses)}"
        )


def _highest(scores: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> str:
    """The highest scores of one image."""
    order = np.argsort(-scores.astype(float), kind="stable")[:MAX_NAMES]
    return ", ".join(f"{classes[c]} {100 * float(scores[c]):.0f}{' ✓' if targets[c] else ''}" for c in order)
