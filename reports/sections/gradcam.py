"""Where does the model look? Grad-CAM of a few test images, each loss at its default (RAL Fig. 3)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.image_grid import frames, picture, square
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import RecordFile, any_trial_has, files_at_defaults, jpeg_size, provenance

GRADCAM_FILE = "gradcam.jpg"


class GradCamNumbers(NamedTuple):
    losses: list[str]
    sheets: dict[str, RecordFile]


@dataclass(frozen=True)
class GradCam:
    """A sheet has an image and its map side by side: the images are shown once, then the maps of each loss."""

    key: str = "gradcam"
    title: str = "Grad-CAM: where the model looks"
    question: str = "Which parts of an image speak for its class, under each loss?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if any_trial_has(table, GRADCAM_FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> GradCamNumbers:
        return GradCamNumbers(losses_of(table), files_at_defaults(table, GRADCAM_FILE))

    def draw(self, info: GradCamNumbers) -> Drawing | None:
        if not info.sheets:
            return None
        first = next(iter(info.sheets.values())).content
        width, height = jpeg_size(first)
        sheets = {"": first} | {loss: sheet.content for loss, sheet in info.sheets.items()}
        drawn = frames(["image", *info.sheets], height=height, columns=len(sheets))
        square(drawn)
        for i, (loss, content) in enumerate(sheets.items()):
            number = str(i + 1) if i else ""
            half = [width / 2, width] if loss else [0, width / 2]
            drawn.update_layout({f"xaxis{number}": {"range": half}, f"yaxis{number}": {"range": [height, 0]}})
            axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
            drawn.add_scatter(x=[half[0]], y=[0], **axes, mode="markers", opacity=0, name=loss)
            picture(drawn, i, content, size=(width, height), loss=loss)
        return drawn

    def rows(self, info: GradCamNumbers) -> None:
        return None

    def answer(self, info: GradCamNumbers) -> str:
        if not info.sheets:
            return "No default has a picture yet."
        return (
            "Grad-CAM (Selvaraju et al. 2017) at the last convolution, of the class named; red speaks for it most. The "
            f"same images for every loss, from frequent to rare classes. {provenance(info.sheets, info.losses)} "
            "No verdict rests on pictures."
        )
