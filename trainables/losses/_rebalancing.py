"""The re-balancing of the distribution-balanced losses: class-aware sampling's expected weight, made smooth."""

import torch
from torch import Tensor

from trainables.losses._entries import Number


def rebalancing_weights(
    targets: Tensor, counts: tuple[int, ...], alpha: Number, beta: Number, mu: Number, like: Tensor
) -> Tensor:
    """W = alpha + sigmoid(beta (r - mu)), [..., B, C], r_kc = (1 / n_c) / SUM over positives j of row k of 1 / n_j.

    A row without positives has r so large that its weight is alpha + 1. Source: Wu et al. 2020.
    """
    rarity = 1 / torch.tensor(counts, dtype=like.dtype, device=like.device)
    total = (targets.to(like.dtype) * rarity).sum(-1, keepdim=True)
    return alpha + torch.sigmoid(beta * (rarity / total.clamp_min(torch.finfo(like.dtype).tiny) - mu))
