"""Focal loss."""

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
class Focal:
    """-alpha q^gamma log p on positives, -(1 - alpha) p^gamma log(1 - p) on negatives.

    `alpha` None weighs both sides 1, as the focal baseline of the Hill and RAL code does; gamma 0 is then BCE.
    Source: RAL paper, eq. 3 (two free alphas, tied here as usual).
    """

    gamma: Number = 2.0
    alpha: Number | None = None

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma", "alpha"))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        side = focus_positive(x, self.gamma, Side(softplus(-x), -torch.sigmoid(-x)), "full")
        return side if self.alpha is None else Side(self.alpha * side.value, self.alpha * side.slope)

    def _negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, 0.0)
        side = focus_negative(shifted, self.gamma, Side(shifted.neg_log, shifted.log_slope), "full")
        if self.alpha is None:
            return side
        return Side((1 - self.alpha) * side.value, (1 - self.alpha) * side.slope)
