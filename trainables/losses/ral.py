"""Robust asymmetric loss, as the published code computes it."""

from dataclasses import dataclass

from evenkeel.trainables.losses._stable import Number, Shifted, Side
from evenkeel.trainables.losses.apl import Apl


@dataclass(frozen=True, kw_only=True)
class Ral(Apl):
    """APL whose negative part is multiplied by psi = (lambda - p) p^2 (lambda - 1 + P).

    psi holds Hill's whole negative loss and one factor more, which the paper does not print (D5); the negative part
    grows like lambda^2, so lambda also acts as a weight of the negatives. Source: the RAL authors' published code.
    """

    hill_lambda: Number = 1.5
    focusing: str = "full"

    def times_psi(self, bracket: Side, shifted: Shifted) -> Side:
        """psi = (lambda - p) p^2 (lambda - 1 + P)."""
        p2 = shifted.p * shifted.p
        hill, outer = (self.hill_lambda - shifted.p) * p2, shifted.P + (self.hill_lambda - 1)
        psi = hill * outer
        slope = (2 * self.hill_lambda - 3 * shifted.p) * p2 * shifted.q * outer + hill * shifted.dP
        return Side(bracket.value * psi, bracket.slope * psi + bracket.value * slope)
