"""Re-balanced focal loss: the distribution-balanced loss without its moved negatives."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Number, Side
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, EntryLoss, Places
from evenkeel.trainables.losses.focal import focal_negative, focal_positive


@dataclass(frozen=True, kw_only=True)
class RBceFocal(EntryLoss):
    """`balance` times focal loss, times W = map_alpha + sigmoid(map_beta (r - map_mu)) of the re-balancing.

    r_kc = (1 / n_c) / SUM_j (1 / n_j) weighs positives and negatives of a row alike; the sum runs over the positives j
    of row k. Without any, r is so large that W is map_alpha + 1.
    Source: Wu et al. 2020, published code; the LM-CLIP paper's "R-BCE-Focal". It is `db` with init_bias 0 and
    neg_scale 1.
    """

    map_alpha: Number = 0.1
    map_beta: Number = 10.0
    map_mu: Number = 0.3
    gamma: Number = 2.0
    balance: Number = 2.0
    counts: tuple[int, ...]

    domain: ClassVar = {"gamma": AT_LEAST_0, "balance": AT_LEAST_0, "map_alpha": AT_LEAST_0}

    def positive(self, x: Tensor, places: Places) -> Side:
        return focal_positive(x, self.gamma)

    def negative(self, x: Tensor, places: Places) -> Side:
        return focal_negative(x, self.gamma)

    @property
    def needs_row(self) -> bool:
        return True

    def of_row(self, targets: Tensor, of_classes: Tensor) -> Tensor:
        """SUM_j (1 / n_j), [..., B, 1]."""
        rows = targets if targets.dim() == 2 else targets.flatten(0, -2)
        return torch.mv(rows.to(of_classes.dtype), of_classes).view(*targets.shape[:-1], 1)

    def entry_weights(self, template: Tensor, row: Tensor | None) -> Tensor:
        """balance W, [..., B, C]."""
        assert row is not None
        share = self.of_classes(template) / row.clamp_min(torch.finfo(template.dtype).tiny)
        return self.balance * (self.map_alpha + torch.sigmoid(self.map_beta * (share - self.map_mu)))

    def of_classes(self, template: Tensor) -> Tensor:
        """1 / n_c, [C]."""
        return 1 / torch.tensor(self.counts, dtype=template.dtype, device=template.device)
