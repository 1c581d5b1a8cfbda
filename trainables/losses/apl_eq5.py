"""Asymmetric polynomial loss, as the RAL paper prints it."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import Number, Places, Side, check, entrywise, focus_negative, focus_positive, shift
from trainables.losses._polynomial import negative_terms, positive_terms


@dataclass(frozen=True, kw_only=True)
class AplEq5:
    """SUM_m alpha_m q^(m + gamma_pos) on positives, SUM_n beta_n P^(n + gamma_neg) on negatives.

    alpha_m = 1/m from m = 3 and beta_n = 1/n from n = 2; both sums end at `terms` (None: the full series, then equal
    to `apl` with beta0 = 0). The paper gives no value of any of them; the defaults are those of the published code.
    Source: RAL paper, eq. 5.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    alpha1: Number = 0.0
    alpha2: Number = 1.75
    beta1: Number = 1.0
    terms: int | None = None
    focusing: str = "held"

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
        bracket = negative_terms(shifted, 0.0, self.beta1, terms=self.terms)
        return focus_negative(shifted, self.gamma_neg, bracket, self.focusing)
