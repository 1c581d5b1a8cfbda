"""Asymmetric loss."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from evenkeel.trainables.losses._stable import (
    Number,
    Side,
    cross_entropy_positive,
    focus_negative,
    focus_positive,
    shift,
)
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, FOCUSING, UNIT, EntryLoss, Places


@dataclass(frozen=True, kw_only=True)
class Asl(EntryLoss):
    """-q^gamma_pos log p on positives, -P^gamma_neg log(1 - P) on negatives, P = max(p - clip, 0).

    Negatives with p <= clip have loss and gradient 0. With `focusing` "held" the weights q^gamma_pos and P^gamma_neg
    are constants for the gradient (the published class's default); with "full" they are differentiated.
    Source: RAL paper, eq. 4; LM-CLIP paper, eq. 1 and 2. gamma_neg = gamma_pos = clip = 0 is BCE.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    focusing: str = "held"

    domain: ClassVar = {"gamma_neg": AT_LEAST_0, "gamma_pos": AT_LEAST_0, "clip": UNIT, "focusing": FOCUSING}

    def positive(self, x: Tensor, places: Places) -> Side:
        return focus_positive(x, self.gamma_pos, cross_entropy_positive(x), self.focusing)

    def negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, self.clip)
        return focus_negative(shifted, self.gamma_neg, Side(shifted.neg_log, shifted.log_slope), self.focusing)
