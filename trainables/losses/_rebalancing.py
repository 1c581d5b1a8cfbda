"""The re-balancing of the distribution-balanced losses: class-aware sampling's expected weight, made smooth."""

import torch
from torch import Tensor

from trainables.losses._entries import Number


class Rebalanced:
    """Weighs entries by `balance` times W = map_alpha + sigmoid(map_beta (r - map_mu)).

    r_kc = (1 / n_c) / SUM_j (1 / n_j); the sum runs over the positives j of row k. Without any, r is so large that W is
    map_alpha + 1.
    Source: Wu et al. 2020.
    """

    map_alpha: Number
    map_beta: Number
    map_mu: Number
    balance: Number
    counts: tuple[int, ...]
    _needs_row = True

    def _row(self, targets: Tensor, rarity: Tensor) -> Tensor:
        """SUM_j (1 / n_j)."""
        rows = targets if targets.dim() == 2 else targets.flatten(0, -2)
        return torch.mv(rows.to(rarity.dtype), rarity).view(*targets.shape[:-1], 1)

    def _weights(self, like: Tensor, row: Tensor) -> Tensor:
        share = self._of_classes(like) / row.clamp_min(torch.finfo(like.dtype).tiny)
        return self.balance * (self.map_alpha + torch.sigmoid(self.map_beta * (share - self.map_mu)))

    def _of_classes(self, like: Tensor) -> Tensor:
        """1 / n_c."""
        return 1 / torch.tensor(self.counts, dtype=like.dtype, device=like.device)
