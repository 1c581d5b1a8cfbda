"""Distribution-balanced loss."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Number, Side
from evenkeel.trainables.losses.entrywise import ABOVE_0, Places
from evenkeel.trainables.losses.focal import focal_negative, focal_positive
from evenkeel.trainables.losses.r_bce_focal import RBceFocal


@dataclass(frozen=True, kw_only=True)
class Db(RBceFocal):
    """Re-balanced focal loss with negative-tolerant logits.

    Logits move by nu_c = -init_bias log(N / n_c - 1) / neg_scale; negatives see neg_scale (x + nu_c) and weigh
    W / neg_scale. The published code divides nu by neg_scale, the paper does not (D33): for the paper's form multiply
    init_bias by neg_scale. A class that every one of the `total` = N images has, where nu is infinite in the published
    code, counts half an image less. gamma 0 with balance 1 is the loss without focal.
    Source: Wu et al. 2020, published code, VOC-MLT configuration.
    """

    init_bias: Number = 0.05
    neg_scale: Number = 5.0
    total: int

    domain: ClassVar = {**RBceFocal.domain, "neg_scale": ABOVE_0}

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.counts) > self.total:
            raise ValueError(f"total must be >= every count, got {self.total} images and {max(self.counts)} positives")

    def positive(self, x: Tensor, places: Places) -> Side:
        return focal_positive(self._moved(x, places), self.gamma)

    def negative(self, x: Tensor, places: Places) -> Side:
        value, slope = focal_negative(self.neg_scale * self._moved(x, places), self.gamma)
        return Side(value / self.neg_scale, slope)

    def _moved(self, x: Tensor, places: Places) -> Tensor:
        """x + nu_c."""
        counts = torch.tensor(self.counts, dtype=x.dtype, device=x.device).clamp_max(self.total - 0.5)
        log_odds = torch.log(self.total / counts - 1).view(1, -1)
        return x - self.init_bias / self.neg_scale * places.per_class(log_odds)
