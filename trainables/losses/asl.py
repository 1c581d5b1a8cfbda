"""Asymmetric loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses._entries import (
    Number,
    Places,
    Side,
    check,
    entrywise,
    focus_negative,
    focus_positive,
    shift,
    softplus,
)


@dataclass(frozen=True, kw_only=True)
class Asl:
    """-q^gamma_pos log p on positives, -P^gamma_neg log(1 - P) on negatives, P = max(p - clip, 0).

    Negatives with p <= clip have loss and gradient 0. With `focusing` "held" the weights q^gamma_pos and P^gamma_neg
    are constants for the gradient (the published class's default); with "full" they are differentiated.
    Source: RAL paper, eq. 4; LM-CLIP paper, eq. 1 and 2. gamma_neg = gamma_pos = clip = 0 is BCE.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    focusing: str = "held"

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma_neg", "gamma_pos"), unit=("clip",))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        return focus_positive(x, self.gamma_pos, Side(softplus(-x), -torch.sigmoid(-x)), self.focusing)

    def _negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, self.clip)
        return focus_negative(shifted, self.gamma_neg, Side(shifted.neg_log, shifted.log_slope), self.focusing)
