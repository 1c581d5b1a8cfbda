"""Robust asymmetric loss, as the published code computes it."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import (
    Number,
    Side,
    check,
    entrywise,
    focus_negative,
    focus_positive,
    shift,
    sigmoid,
)
from trainables.losses._polynomial import negative_bracket, positive_bracket


@dataclass(frozen=True, kw_only=True)
class Ral:
    """APL whose negative part is multiplied by psi = (lambda - p) p^2 (lambda - 1 + P).

    psi holds Hill's whole negative loss and one factor more, which the paper does not print (D5); the negative part
    grows like lambda^2, so lambda also acts as a weight of the negatives. Source: the RAL authors' published code.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    alpha1: Number = 0.0
    alpha2: Number = 1.75
    beta0: Number = 0.0
    beta1: Number = 1.0
    hill_lambda: Number = 1.5
    focusing: str = "full"

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma_neg", "gamma_pos"), unit=("clip",))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _sides(self, x: Tensor, targets: Tensor) -> tuple[Side, Side]:
        s = sigmoid(x)
        shifted = shift(s, self.clip)
        positive = positive_bracket(s, self.alpha1, self.alpha2)
        apl = negative_bracket(s, shifted, self.beta0, self.beta1)
        p2 = s.p * s.p
        hill, outer = (self.hill_lambda - s.p) * p2, self.hill_lambda - 1 + shifted.P
        psi = hill * outer
        psi_slope = p2 * s.q * (2 * self.hill_lambda - 3 * s.p) * outer + hill * shifted.dP
        negative = Side(apl.value * psi, apl.slope * psi + apl.value * psi_slope)
        return (
            focus_positive(s, self.gamma_pos, positive, self.focusing),
            focus_negative(shifted, self.gamma_neg, negative, self.focusing),
        )
