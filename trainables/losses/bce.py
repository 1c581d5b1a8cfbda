"""Binary cross-entropy."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Side, cross_entropy_positive, softplus
from evenkeel.trainables.losses.entrywise import EntryLoss, Places


@dataclass(frozen=True, kw_only=True)
class Bce(EntryLoss):
    """-log p on positives, -log(1 - p) on negatives.

    Source: RAL paper, eq. 1 and 2.
    """

    def positive(self, x: Tensor, places: Places) -> Side:
        return cross_entropy_positive(x)

    def negative(self, x: Tensor, places: Places) -> Side:
        return Side(softplus(x), torch.sigmoid(x))
