"""Hill loss."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Number, Side
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, EntryLoss, Places
from evenkeel.trainables.losses.focal import focal_positive


@dataclass(frozen=True, kw_only=True)
class Hill(EntryLoss):
    """(lambda - p) p^2 on negatives; focal with p' = sigmoid(x - margin) on positives.

    The negative side is a weighted squared error: bounded, and with lambda < 1.5 its gradient turns negative for
    p > 2 lambda / 3 (hard negatives are pushed up). Source: the Hill authors' published code; the RAL paper prints
    only the factor lambda - p (eq. 6).
    """

    hill_lambda: Number = 1.5
    margin: Number = 1.0
    gamma: Number = 2.0

    domain: ClassVar = {"gamma": AT_LEAST_0, "hill_lambda": AT_LEAST_0}

    def positive(self, x: Tensor, places: Places) -> Side:
        return focal_positive(x - self.margin, self.gamma)

    def negative(self, x: Tensor, places: Places) -> Side:
        p, q = torch.sigmoid(x), torch.sigmoid(-x)
        squared = p * p
        return Side((self.hill_lambda - p) * squared, squared * q * (2 * self.hill_lambda - 3 * p))
