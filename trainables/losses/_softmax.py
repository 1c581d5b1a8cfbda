"""Shared by the losses for one label an image: classes compete in a softmax.

Entries of a row add up to the row's loss, so the published mean over rows is C times the mean over entries.
"""

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Number
from evenkeel.trainables.losses.entrywise import Loss, at_least_single, check_batch


def log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """log softmax over classes, [..., B, C], in float32 at least."""
    check_batch(logits, targets)
    return torch.log_softmax(at_least_single(logits), -1)


def complement(log_P: Tensor) -> Tensor:
    """1 - P without cancellation, floored above 0 so that any power of it has a finite slope."""
    return (-torch.expm1(log_P)).clamp_min(1e4 * torch.finfo(log_P.dtype).tiny)


def smoothed(targets: Tensor, smoothing: Number) -> Tensor:
    """(1 - eps) y + eps / C for targets y [..., C]."""
    return (1 - smoothing) * targets + smoothing / targets.shape[-1]


def weight_power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """base ** exponent, [...]; a negative base under a broken exponent, NaN in the published code, is taken as 0."""
    exponent = torch.as_tensor(exponent, dtype=base.dtype, device=base.device)
    floor = 1e4 * torch.finfo(base.dtype).tiny
    usable = torch.where(exponent == exponent.round(), base, base.clamp_min(floor))
    return torch.where(exponent == 0, torch.ones_like(base), usable**exponent)


class SoftmaxLoss(Loss):
    """What the losses for one label an image have in common: their scores are softmax probabilities."""

    def log_odds(self, logits: Tensor) -> Tensor:
        """Logits whose sigmoid is the softmax probability, [..., B, C]."""
        log_P = torch.log_softmax(logits, -1)
        return log_P - torch.log(-torch.expm1(log_P))
