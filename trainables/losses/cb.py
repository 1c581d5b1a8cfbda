"""Class-balanced loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses._class_weights import effective_weights
from trainables.losses._entries import Number, Places, Side, check, entrywise
from trainables.losses.focal import focal_negative, focal_positive

WEIGHINGS = ("by_class", "average_n", "average_w", "min_n")


@dataclass(frozen=True, kw_only=True)
class Cb:
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

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma",), unit=("cb_beta",))
        if self.weighing not in WEIGHINGS:
            raise ValueError(f"weighing must be one of {', '.join(WEIGHINGS)}, got {self.weighing!r}")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        return focal_positive(x, self.gamma)

    def _negative(self, x: Tensor, places: Places) -> Side:
        return focal_negative(x, self.gamma)

    @property
    def _needs_row(self) -> bool:
        return self.weighing != "by_class"

    def _of_classes(self, like: Tensor) -> Tensor:
        return torch.tensor(self.counts, dtype=like.dtype, device=like.device)

    def _row(self, targets: Tensor, counts: Tensor) -> Tensor:
        present = targets.to(counts.dtype)
        present = torch.where(present.sum(-1, keepdim=True) > 0, present, 1.0)
        if self.weighing == "min_n":
            rarest = torch.where(present > 0, counts, torch.inf).amin(-1, keepdim=True)
            return effective_weights(rarest, self.cb_beta)
        share = present / present.sum(-1, keepdim=True)
        if self.weighing == "average_n":
            return effective_weights((share * counts).sum(-1, keepdim=True), self.cb_beta)
        return (share * effective_weights(counts, self.cb_beta)).sum(-1, keepdim=True)

    def _weights(self, like: Tensor, row: Tensor | None) -> Tensor:
        if row is not None:
            return row
        return effective_weights(self._of_classes(like), self.cb_beta)
