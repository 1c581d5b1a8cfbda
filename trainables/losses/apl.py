"""Asymmetric polynomial loss, as the published code computes it."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import Number, Places, Side, check, entrywise, focus_negative, focus_positive, shift
from trainables.losses._polynomial import negative_terms, positive_terms


@dataclass(frozen=True, kw_only=True)
class Apl:
    """ASL with moved leading Taylor coefficients: alpha1 and alpha2 of q, beta0 and beta1 of P.

    Positives: q^gamma_pos [-log p + (alpha1 - 1) q + (alpha2 - 1/2) q^2];
    negatives: P^gamma_neg [-log(1 - P) + (beta1 - 1) P + beta0].
    The published names: eps_pos = 1 - alpha1, eps_pow = 1 - 2 alpha2, eps_neg = beta1 - 1 = -beta0. For beta0 < 0
    easy negatives have a negative loss and are pulled up; with 0 < gamma_neg < 1 and beta0 != 0 the slope is unbounded
    as P falls to 0, and it is 0 on clipped entries.
    Source: the APL authors' published code (the printed form is `apl-eq5`). alpha1 = beta1 = 1, alpha2 = 1/2,
    beta0 = 0 is ASL.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    alpha1: Number = 0.0
    alpha2: Number = 1.75
    beta0: Number = 0.0
    beta1: Number = 1.0
    focusing: str = "held"

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
        bracket = negative_terms(shifted, self.beta0, self.beta1, terms=None)
        return focus_negative(shifted, self.gamma_neg, bracket, self.focusing)
