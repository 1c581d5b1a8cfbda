"""Scores when test images are larger than those trained on (RAL Tables 7 and 9)."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs
from evenkeel.trainables.measures.noise import rescored

if TYPE_CHECKING:
    from torch import Tensor, nn

FACTORS = {"x150": 1.5, "x200": 2.0}


@dataclass(frozen=True)
class Resolution:
    """mAUC and mAP at 1.5 and 2 times the size, enlarged from the stored pixels; the model must take any size."""

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        parts, labels = tuple(FACTORS), tuple(f"enlarged, times: {factor:g}" for factor in FACTORS.values())
        return {
            f"resized_{metric}": Column(
                f"{title} on enlarged images", splits=("test",), parts=parts, labels=labels, repeats=metric
            )
            for metric, title in (("mauc", "mAUC"), ("map", "mAP"))
        }

    def compute(self, evidence: Evidence) -> Measured:
        totals = {}
        for part, factor in FACTORS.items():
            mauc, mean_ap = rescored(evidence, partial(enlarged, factor=factor))
            totals[f"test_resized_mauc_{part}"], totals[f"test_resized_map_{part}"] = mauc, mean_ap
        for metric in ("mauc", "map"):
            parts = [totals[f"test_resized_{metric}_{part}"] for part in FACTORS]
            totals[f"test_resized_{metric}"] = (parts[0] + parts[1]) / 2
        return Measured(totals)


def check_sizes(module: "nn.Module", channels: int, image_size: int) -> None:
    """Raises TrainableError when the model does not take images of the sizes at which it would be measured."""
    from evenkeel.trainables.models.build import misfit

    for size in (int(image_size * factor) for factor in FACTORS.values()):
        if reason := misfit(module, channels, size):
            raise TrainableError(
                f"measures: resolution shows the model images of {size} pixels, which it does not take ({reason}); "
                "leave it out, or give a model that takes any size (for a transformer of timm model_args: "
                "{dynamic_img_size: true, dynamic_img_pad: true})"
            )


def enlarged(images: "Tensor", rows: "Tensor", factor: float) -> "Tensor":
    """Images [B, channels, factor S, factor S]."""
    from torch.nn.functional import interpolate

    return interpolate(images, scale_factor=factor, mode="bilinear")
