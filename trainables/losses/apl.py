"""Asymmetric polynomial loss, as the published code computes it."""

from dataclasses import dataclass

from evenkeel.trainables.losses._polynomial import Polynomial
from evenkeel.trainables.losses._stable import Number


@dataclass(frozen=True, kw_only=True)
class Apl(Polynomial):
    """ASL with moved leading Taylor coefficients: alpha1 and alpha2 of q, beta0 and beta1 of P.

    Positives: q^gamma_pos [-log p + (alpha1 - 1) q + (alpha2 - 1/2) q^2];
    negatives: P^gamma_neg [-log(1 - P) + (beta1 - 1) P + beta0].
    The published names: eps_pos = 1 - alpha1, eps_pow = 1 - 2 alpha2, eps_neg = beta1 - 1 = -beta0. For beta0 < 0
    easy negatives have a negative loss and are pulled up; with 0 < gamma_neg < 1 and beta0 != 0 the slope is unbounded
    as P falls to 0, and it is 0 on clipped entries.
    Source: the APL authors' published code (the printed form is `apl-eq5`). alpha1 = beta1 = 1, alpha2 = 1/2,
    beta0 = 0 is ASL.
    """

    beta0: Number = 0.0

    @property
    def constant(self) -> Number:
        """beta0."""
        return self.beta0
