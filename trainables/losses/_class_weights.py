"""Class weights of the balanced asymmetric loss."""

import torch
from torch import Tensor

from trainables.losses._entries import Number


def class_weights(counts: tuple[int, ...], s: Number, like: Tensor) -> Tensor:
    """w_c = (n_min / n_c)^s, shape [..., 1, C]: 1 for the rarest class, all ones for s = 0.

    Source: LM-CLIP paper, eq. 5 (the number of images cancels). Raises ValueError for a count below 1.
    """
    if min(counts) < 1:
        raise ValueError(f"counts must be >= 1, got {min(counts)}: drop classes without positives")
    log_counts = torch.tensor(counts, dtype=like.dtype, device=like.device).log()
    return torch.exp(s * (log_counts.min() - log_counts).view(1, -1)).to(like.dtype)


def resolve_weights(
    counts: tuple[int, ...] | None, weights: tuple[float, ...] | None, s: Number, like: Tensor
) -> Tensor | None:
    """Weights [..., 1, C] given directly, or from counts and s; None for an unweighted loss."""
    if weights is not None:
        return torch.tensor(weights, dtype=like.dtype, device=like.device).view(1, -1)
    return None if counts is None else class_weights(counts, s, like)


def effective_weights(counts: Tensor, beta: Number) -> Tensor:
    """(1 - beta) / (1 - beta^n), the inverse effective number: 1 for beta = 0, towards 1/n as beta nears 1.

    Source: Cui et al. 2019. Worked out in double precision and with expm1: 1 - beta and 1 - beta^n lose
    their digits for beta near 1, already when 0.9999 is rounded to single precision.
    """
    log_beta = torch.as_tensor(beta, dtype=torch.float64, device=counts.device).log()
    return (torch.expm1(log_beta) / torch.expm1(counts * log_beta)).to(counts.dtype)
