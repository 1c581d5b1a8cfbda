"""Re-balanced focal loss: the distribution-balanced loss without its moved negatives."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import Number, Places, Side, check, entrywise
from trainables.losses._rebalancing import Rebalanced
from trainables.losses.focal import focal_negative, focal_positive


@dataclass(frozen=True, kw_only=True)
class RBceFocal(Rebalanced):
    """`balance` times focal loss, times W = map_alpha + sigmoid(map_beta (r - map_mu)) of the re-balancing.

    Positives and negatives of a row are weighed alike by r_kc = (1/n_c) / SUM_j (1/n_j) over the row's positives.
    Source: Wu et al. 2020, published code; the LM-CLIP paper's "R-BCE-Focal". It is `db` with init_bias 0 and
    neg_scale 1.
    """

    map_alpha: Number = 0.1
    map_beta: Number = 10.0
    map_mu: Number = 0.3
    gamma: Number = 2.0
    balance: Number = 2.0
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma", "balance", "map_alpha"))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        return focal_positive(x, self.gamma)

    def _negative(self, x: Tensor, places: Places) -> Side:
        return focal_negative(x, self.gamma)
