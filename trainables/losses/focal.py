"""Focal loss."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import (
    Number,
    Side,
    cross_entropy_positive,
    focus_positive,
    is_zero,
    scaled,
    sigmoid_power,
    softplus,
)
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, EntryLoss, Places


@dataclass(frozen=True, kw_only=True)
class Focal(EntryLoss):
    """-alpha q^gamma log p on positives, -(1 - alpha) p^gamma log(1 - p) on negatives.

    `alpha` None weighs both sides 1, as the focal baseline of the Hill and RAL code does; gamma 0 is then BCE.
    Source: RAL paper, eq. 3 (two free alphas, tied here as usual).
    """

    gamma: Number = 2.0
    alpha: Number | None = None

    domain: ClassVar = {"gamma": AT_LEAST_0, "alpha": AT_LEAST_0}

    def positive(self, x: Tensor, places: Places) -> Side:
        side = focal_positive(x, self.gamma)
        return side if self.alpha is None else scaled(side, self.alpha)

    def negative(self, x: Tensor, places: Places) -> Side:
        side = focal_negative(x, self.gamma)
        return side if self.alpha is None else scaled(side, 1 - self.alpha)


def focal_positive(x: Tensor, gamma: Number) -> Side:
    """-q^gamma log p of logits x [...]."""
    return focus_positive(x, gamma, cross_entropy_positive(x), "full")


def focal_negative(x: Tensor, gamma: Number) -> Side:
    """-p^gamma log(1 - p) of logits x [...]."""
    p, q, entropy = torch.sigmoid(x), torch.sigmoid(-x), softplus(x)
    if is_zero(gamma):
        return Side(entropy, p)
    weight = sigmoid_power(x, gamma)
    return Side(weight * entropy, weight * (p + gamma * q * entropy))
