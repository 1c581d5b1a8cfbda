"""Whether the validation score still rose when training ended."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_EPOCHS, FEWEST_POINTS = 8, 4


@dataclass(frozen=True)
class Rise:
    """How much the validation score that the trainable follows rose over the last quarter of the epochs.

    It is the rise of the straight line through them (at least four); `_error` is its standard error by the scatter
    about that line. Nothing is measured of fewer than eight epochs.
    """

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        title = "rise of the validation score over the last quarter of the epochs"
        return {"rise": Column(title, splits=("val",), parts=("error",))}

    def compute(self, evidence: Evidence) -> Measured:
        curve = next((values for name, values in evidence.curves.items() if name.startswith("val_")), None)
        if curve is None or (num_epochs := curve.shape[-1]) < FEWEST_EPOCHS:
            return Measured()
        rise, error = of_line(curve[:, -max(FEWEST_POINTS, num_epochs // 4) :].double())
        return Measured({"val_rise": rise, "val_rise_error": error})


def of_line(values: "Tensor") -> "tuple[Tensor, Tensor]":
    """Rise of the least-squares line from the first to the last of the values [K, E], and its standard error, [K]."""
    import torch

    num = values.shape[-1]
    positions = torch.linspace(-0.5, 0.5, num, dtype=values.dtype, device=values.device)
    size = positions.square().sum()
    rise = values @ positions / size
    left = values - values.mean(-1, keepdim=True) - rise[:, None] * positions
    return rise, (left.square().sum(-1) / (num - 2) / size).sqrt()
