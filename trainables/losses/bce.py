"""Binary cross-entropy."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses._entries import Places, Side, entrywise, softplus


@dataclass(frozen=True, kw_only=True)
class Bce:
    """-log p on positives, -log(1 - p) on negatives.

    Source: RAL paper, eq. 1 and 2.
    """

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        return Side(softplus(-x), -torch.sigmoid(-x))

    def _negative(self, x: Tensor, places: Places) -> Side:
        return Side(softplus(x), torch.sigmoid(x))
