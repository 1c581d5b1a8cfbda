"""Hill loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses._entries import Number, Places, Side, check, entrywise, focus_positive, softplus


@dataclass(frozen=True, kw_only=True)
class Hill:
    """(lambda - p) p^2 on negatives; focal with p' = sigmoid(x - margin) on positives.

    The negative side is a weighted squared error: bounded, and with lambda < 1.5 its gradient turns negative for
    p > 2 lambda / 3 (hard negatives are pushed up). Source: the Hill authors' published code; the RAL paper prints
    only the factor lambda - p (eq. 6).
    """

    hill_lambda: Number = 1.5
    margin: Number = 1.0
    gamma: Number = 2.0

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma", "hill_lambda"))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        moved = x - self.margin
        return focus_positive(moved, self.gamma, Side(softplus(-moved), -torch.sigmoid(-moved)), "full")

    def _negative(self, x: Tensor, places: Places) -> Side:
        p, q = torch.sigmoid(x), torch.sigmoid(-x)
        squared = p * p
        return Side((self.hill_lambda - p) * squared, squared * q * (2 * self.hill_lambda - 3 * p))
