"""Robust asymmetric loss, as the RAL paper prints it."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import Number, Places, Side, check, entrywise, focus_negative, focus_positive, shift
from trainables.losses._polynomial import negative_terms, positive_terms


@dataclass(frozen=True, kw_only=True)
class RalEq6:
    """The printed APL with its negative part multiplied by psi = lambda - p.

    `terms` is M = N of the two sums (None: the full series). Source: RAL paper, eq. 6.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    alpha1: Number = 0.0
    alpha2: Number = 1.75
    beta1: Number = 1.0
    hill_lambda: Number = 1.5
    terms: int | None = None
    focusing: str = "full"

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma_neg", "gamma_pos"), unit=("clip",))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        bracket = positive_terms(x, self.alpha1, self.alpha2, terms=self.terms)
        return focus_positive(x, self.gamma_pos, bracket, self.focusing)

    def _negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, self.clip)
        apl = negative_terms(shifted, 0.0, self.beta1, terms=self.terms)
        psi = self.hill_lambda - shifted.p
        bracket = Side(apl.value * psi, apl.slope * psi - apl.value * shifted.p * shifted.q)
        return focus_negative(shifted, self.gamma_neg, bracket, self.focusing)
