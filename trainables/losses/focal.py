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
    focus_positive,
    is_zero,
    scaled,
    sigmoid_power,
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
        side = focal_positive(x, self.gamma)
        return side if self.alpha is None else scaled(side, self.alpha)

    def _negative(self, x: Tensor, places: Places) -> Side:
        side = focal_negative(x, self.gamma)
        return side if self.alpha is None else scaled(side, 1 - self.alpha)


def focal_positive(x: Tensor, gamma: Number) -> Side:
    """-q^gamma log p."""
    return focus_positive(x, gamma, Side(softplus(-x), -torch.sigmoid(-x)), "full")


def focal_negative(x: Tensor, gamma: Number) -> Side:
    """-p^gamma log(1 - p)."""
    p, q, entropy = torch.sigmoid(x), torch.sigmoid(-x), softplus(x)
    if is_zero(gamma):
        return Side(entropy, p)
    weight = sigmoid_power(x, gamma)
    return Side(weight * entropy, weight * (p + gamma * q * entropy))
