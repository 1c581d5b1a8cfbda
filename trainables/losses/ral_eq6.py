"""Robust asymmetric loss, as the RAL paper prints it."""

from dataclasses import dataclass

from evenkeel.trainables.losses._stable import Number, Shifted, Side
from evenkeel.trainables.losses.apl_eq5 import AplEq5


@dataclass(frozen=True, kw_only=True)
class RalEq6(AplEq5):
    """The printed APL with its negative part multiplied by psi = lambda - p.

    `terms` is M = N of the two sums (None: the full series). Source: RAL paper, eq. 6.
    """

    hill_lambda: Number = 1.5
    focusing: str = "full"

    def times_psi(self, bracket: Side, shifted: Shifted) -> Side:
        """psi = lambda - p."""
        psi = self.hill_lambda - shifted.p
        return Side(bracket.value * psi, bracket.slope * psi - bracket.value * shifted.p * shifted.q)
