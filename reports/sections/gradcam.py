"""Where does the model look? Grad-CAM of a few test images, each loss at its default (RAL Fig. 3)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.image_grid import frames, picture, square
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import Kept, has_any, jpeg_size, kept, whose

FILE = "gradcam.jpg"


class Info(NamedTuple):
    losses: list[str]
    sheets: dict[str, Kept]


@dataclass(frozen=True)
class GradCams:
    """A sheet has an image and its map side by side: the images are shown once, then the maps of each loss."""

    key: str = "gradcam"
    title: str = "Where the model looks"
    question: str = "Which parts of an image speak for its class, under each loss?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_any(table, FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        return Info(losses_of(table), kept(table, FILE))

    def draw(self, info: Info) -> Drawing | None:
        if not info.sheets:
            return None
        first = next(iter(info.sheets.values())).content
        width, height = jpeg_size(first)
        shown = {"": first} | {loss: one.content for loss, one in info.sheets.items()}
        drawn = frames(["image", *info.sheets], height=height, columns=len(shown))
        square(drawn)
        for i, (loss, content) in enumerate(shown.items()):
            at = str(i + 1) if i else ""
            half = [width / 2, width] if loss else [0, width / 2]
            drawn.update_layout({f"xaxis{at}": {"range": half}, f"yaxis{at}": {"range": [height, 0]}})
            drawn.add_scatter(x=[half[0]], y=[0], xaxis=f"x{at}", yaxis=f"y{at}", mode="markers", opacity=0, name=loss)
            picture(drawn, i, content, size=(width, height), loss=loss)
        return drawn

    def rows(self, info: Info) -> None:
        return None

    def answer(self, info: Info) -> str:
        if not info.sheets:
            return "No default has a picture yet."
        return (
            "Grad-CAM (Selvaraju et al. 2017) at the last convolution, of the class named; red speaks for it most. The "
            f"same images for every loss, from frequent to rare classes. {whose(info.sheets, info.losses)} No verdict "
            "rests on pictures."
        )
