"""APL with Hill's negative loss as its factor: the step between RAL as printed and RAL as published."""

from dataclasses import dataclass

from evenkeel.trainables.losses._stable import Number, Shifted, Side
from evenkeel.trainables.losses.apl import Apl


@dataclass(frozen=True, kw_only=True)
class RalHill(Apl):
    """APL whose negative part is multiplied by psi = (lambda - p) p^2.

    No paper prints it: `ral-eq6` has psi = lambda - p alone, `ral` one factor more, lambda - 1 + P. So each step of a
    ladder from APL to RAL changes one thing.
    """

    hill_lambda: Number = 1.5
    focusing: str = "full"

    def times_psi(self, bracket: Side, shifted: Shifted) -> Side:
        """psi = (lambda - p) p^2."""
        p2 = shifted.p * shifted.p
        psi, slope = (self.hill_lambda - shifted.p) * p2, (2 * self.hill_lambda - 3 * shifted.p) * p2 * shifted.q
        return Side(bracket.value * psi, bracket.slope * psi + bracket.value * slope)
