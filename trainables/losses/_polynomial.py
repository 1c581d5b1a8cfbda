"""The polynomial losses: logarithms with their leading coefficients moved, under the weights of ASL.

-log p = q + q^2/2 + q^3/3 + ... ; -log(1 - P) likewise in P.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Number, Shifted, Side, focus_negative, focus_positive, shift, softplus
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, FOCUSING, UNIT, EntryLoss, Places


@dataclass(frozen=True, kw_only=True)
class Polynomial(EntryLoss):
    """The fields that all forms of APL and RAL share, with the values of the published code, and their two sides."""

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    alpha1: Number = 0.0
    alpha2: Number = 1.75
    beta1: Number = 1.0
    focusing: str = "held"

    domain: ClassVar = {"gamma_neg": AT_LEAST_0, "gamma_pos": AT_LEAST_0, "clip": UNIT, "focusing": FOCUSING}

    def positive(self, x: Tensor, places: Places) -> Side:
        """q^gamma_pos times the bracket in q, of logits x [...]."""
        bracket = positive_terms(x, self.alpha1, self.alpha2, self.num_terms)
        return focus_positive(x, self.gamma_pos, bracket, self.focusing)

    def negative(self, x: Tensor, places: Places) -> Side:
        """P^gamma_neg times the bracket in P of logits x [...], times what `times_psi` puts in."""
        shifted = shift(x, self.clip)
        bracket = negative_terms(shifted, self.constant, self.beta1, self.num_terms)
        return focus_negative(shifted, self.gamma_neg, self.times_psi(bracket, shifted), self.focusing)

    @property
    def num_terms(self) -> int | None:
        """Where both sums end; None for the full series."""
        return None

    @property
    def constant(self) -> Number:
        """The term of the negative bracket without P."""
        return 0.0

    def times_psi(self, bracket: Side, shifted: Shifted) -> Side:
        """The negative bracket times the factor of RAL; APL has none."""
        return bracket


def positive_terms(x: Tensor, alpha1: Number, alpha2: Number, terms: int | None) -> Side:
    """SUM_{m=1..terms} alpha_m q^m, alpha_m = 1/m from m = 3, for logits x [...].

    None: the full series, -log p + (alpha1 - 1) q + (alpha2 - 1/2) q^2, written alpha1 q + alpha2 q^2 + tail(q),
    since with alpha1 = 0 the direct form cancels for small q.
    """
    p, q = torch.sigmoid(x), torch.sigmoid(-x)
    if terms is not None:
        value, by_q = _truncated(q, [alpha1, alpha2], terms)
        return Side(value, -p * q * by_q)
    q2 = q * q
    series = q * q2 * (1 / 3 + q * (1 / 4 + q * (1 / 5 + q * (1 / 6 + q * (1 / 7 + q / 8)))))
    tail = torch.where(q < 0.02, series, softplus(-x) - q - q2 / 2)
    return Side(alpha1 * q + alpha2 * q2 + tail, -p * q * (alpha1 + 2 * alpha2 * q) - q * q2)


def negative_terms(shifted: Shifted, beta0: Number, beta1: Number, terms: int | None) -> Side:
    """beta0 + SUM_{n=1..terms} beta_n P^n, beta_n = 1/n from n = 2; None: the full series."""
    if terms is not None:
        value, by_P = _truncated(shifted.P, [beta1], terms)
        return Side(value + beta0, by_P * shifted.dP)
    moved = beta1 - 1
    return Side(shifted.neg_log + moved * shifted.P + beta0, shifted.log_slope + moved * shifted.dP)


def _truncated(u: Tensor, first: list[Number], terms: int) -> tuple[Tensor, Tensor]:
    """SUM_{n=1..terms} c_n u^n and its derivative by u; c_n is `first` for the leading terms, then 1/n."""
    coefficients = [*first[:terms], *(1 / n for n in range(len(first) + 1, terms + 1))]
    value = derivative = torch.zeros_like(u)
    for n, c in reversed(list(enumerate(coefficients, start=1))):
        value = (value + c) * u
        derivative = derivative * u + n * c
    return value, derivative
