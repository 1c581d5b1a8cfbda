"""Class-balanced loss."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._class_weights import effective_weights
from evenkeel.trainables.losses._stable import Number, Side
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, UNIT, EntryLoss, Places, one_of
from evenkeel.trainables.losses.focal import focal_negative, focal_positive

WEIGHINGS = one_of("by_class", "average_n", "average_w", "min_n")


@dataclass(frozen=True, kw_only=True)
class Cb(EntryLoss):
    """Focal loss times w(n) = (1 - beta) / (1 - beta^n), n the positives of a class among the training images.

    `weighing`: by_class takes the entry's own class; average_n, average_w and min_n give a whole row w of its mean n,
    its mean w, w of its smallest n, over the row's positives. A row without positives, 0/0 in the published code, is
    weighed as if all classes were positive. gamma 0 is the class-balanced BCE; the scale of 10 that published training
    runs put in front is left to the learning rate.
    Source: Cui et al. 2019; the distribution-balanced loss's published code for the four ways of weighing.
    """

    cb_beta: Number = 0.9
    weighing: str = "by_class"
    gamma: Number = 2.0
    counts: tuple[int, ...]

    domain: ClassVar = {"cb_beta": UNIT, "weighing": WEIGHINGS, "gamma": AT_LEAST_0}
    makes_weights: ClassVar = ("cb_beta",)

    def positive(self, x: Tensor, places: Places) -> Side:
        return focal_positive(x, self.gamma)

    def negative(self, x: Tensor, places: Places) -> Side:
        return focal_negative(x, self.gamma)

    @property
    def needs_row(self) -> bool:
        return self.weighing != "by_class"

    def of_classes(self, template: Tensor) -> Tensor:
        return torch.tensor(self.counts, dtype=template.dtype, device=template.device)

    def of_row(self, targets: Tensor, of_classes: Tensor) -> Tensor:
        counts, present = of_classes, targets.to(of_classes.dtype)
        present = torch.where(present.sum(-1, keepdim=True) > 0, present, 1.0)
        if self.weighing == "min_n":
            rarest = torch.where(present > 0, counts, torch.inf).amin(-1, keepdim=True)
            return effective_weights(rarest, self.cb_beta)
        share = present / present.sum(-1, keepdim=True)
        if self.weighing == "average_n":
            return effective_weights((share * counts).sum(-1, keepdim=True), self.cb_beta)
        return (share * effective_weights(counts, self.cb_beta)).sum(-1, keepdim=True)

    def entry_weights(self, template: Tensor, row: Tensor | None) -> Tensor:
        return effective_weights(self.of_classes(template), self.cb_beta) if row is None else row
