"""The re-balancing of the distribution-balanced losses: class-aware sampling's expected weight, made smooth."""

import torch
from torch import Tensor

from trainables.losses._entries import Number


class Rebalanced:
    """Weighs entries by W = map_alpha + sigmoid(map_beta (r - map_mu)), r_kc = (1 / n_c) / SUM_j (1 / n_j).

    The sum runs over the positives j of row k; without any, r is so large that W is map_alpha + 1.
    Source: Wu et al. 2020.
    """

    map_alpha: Number
    map_beta: Number
    map_mu: Number
    counts: tuple[int, ...]
    _needs_row = True

    def _row(self, targets: Tensor, rarity: Tensor) -> Tensor:
        """SUM_j (1 / n_j)."""
        return torch.mv(targets.to(rarity.dtype).reshape(-1, len(rarity)), rarity).view(*targets.shape[:-1], 1)

    def _weights(self, like: Tensor, row: Tensor) -> Tensor:
        share = self._of_classes(like) / row.clamp_min(torch.finfo(like.dtype).tiny)
        return self.map_alpha + torch.sigmoid(self.map_beta * (share - self.map_mu))

    def _of_classes(self, like: Tensor) -> Tensor:
        """1 / n_c."""
        return 1 / torch.tensor(self.counts, dtype=like.dtype, device=like.device)
