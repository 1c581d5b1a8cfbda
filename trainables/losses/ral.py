"""Robust asymmetric loss, as the published code computes it."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import Number, Places, Side, check, entrywise, focus_negative, focus_positive, shift
from trainables.losses._polynomial import negative_terms, positive_terms


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

    def _positive(self, x: Tensor, places: Places) -> Side:
        bracket = positive_terms(x, self.alpha1, self.alpha2, terms=None)
        return focus_positive(x, self.gamma_pos, bracket, self.focusing)

    def _negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, self.clip)
        apl = negative_terms(shifted, self.beta0, self.beta1, terms=None)
        p2 = shifted.p * shifted.p
        hill, outer = (self.hill_lambda - shifted.p) * p2, shifted.P + (self.hill_lambda - 1)
        psi = hill * outer
        psi_slope = (2 * self.hill_lambda - 3 * shifted.p) * p2 * shifted.q * outer + hill * shifted.dP
        bracket = Side(apl.value * psi, apl.slope * psi + apl.value * psi_slope)
        return focus_negative(shifted, self.gamma_neg, bracket, self.focusing)
