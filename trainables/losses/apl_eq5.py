"""Asymmetric polynomial loss, as the RAL paper prints it."""

from dataclasses import dataclass

from evenkeel.trainables.losses._polynomial import Polynomial


@dataclass(frozen=True, kw_only=True)
class AplEq5(Polynomial):
    """SUM_m alpha_m q^(m + gamma_pos) on positives, SUM_n beta_n P^(n + gamma_neg) on negatives.

    alpha_m = 1/m from m = 3 and beta_n = 1/n from n = 2; both sums end at `terms` (None: the full series, then equal
    to `apl` with beta0 = 0). The paper gives no value of any of them; the defaults are those of the published code.
    Source: RAL paper, eq. 5.
    """

    terms: int | None = None

    @property
    def num_terms(self) -> int | None:
        """M = N."""
        return self.terms
