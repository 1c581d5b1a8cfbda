"""Robust asymmetric loss for one label an image."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._softmax import SoftmaxLoss, log_probabilities, smoothed, weight_power
from evenkeel.trainables.losses._stable import Number
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, UNIT


@dataclass(frozen=True, kw_only=True)
class RalSoftmax(SoftmaxLoss):
    """-s_j (1 - A_j - B_j)^gamma log P_j, gamma = gamma_pos on the label and gamma_neg elsewhere, N = 1 - P.

    A = -P [-log c(P) + (alpha1 - 1)(1 - c(P)) + (alpha2 - 1/2)(1 - c(P))^2] log P;
    B = (1 - A) [-log c(N) + (beta1 - 1)(1 - c(N)) + beta0] (lambda - N) N^2; c(u) = max(u, smoothing).
    The amount of smoothing is also the clamp of the logarithms (D8), and neither part is masked by the target. Without
    smoothing and with gamma_pos 0 it is cross-entropy whatever the rest is. Where the published code is not finite (P
    underflows; a negative base under a broken power) P log P is 0 and the base is floored at 0.
    Source: RAL authors' published single-label code; the paper does not print it.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    smoothing: Number = 0.1
    alpha1: Number = 0.0
    alpha2: Number = 1.75
    beta0: Number = 0.0
    beta1: Number = 1.0
    hill_lambda: Number = 1.5

    domain: ClassVar = {"gamma_neg": AT_LEAST_0, "gamma_pos": AT_LEAST_0, "smoothing": UNIT}

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and one-hot targets [..., B, C]; a row's entries add up."""
        log_P = log_probabilities(logits, targets)
        P, N = log_P.exp(), -torch.expm1(log_P)
        clamp = torch.as_tensor(self.smoothing, dtype=P.dtype, device=P.device)
        clamp = clamp.clamp_min(torch.finfo(P.dtype).tiny)
        miss = 1 - torch.maximum(P, clamp)
        A = -P * log_P * (
            -torch.maximum(log_P, clamp.log()) + (self.alpha1 - 1) * miss + (self.alpha2 - 0.5) * miss * miss
        )  # fmt: skip
        kept = torch.maximum(N, clamp)
        B = (1 - A) * (-kept.log() + (self.beta1 - 1) * (1 - kept) + self.beta0) * (self.hill_lambda - N) * N * N
        base = 1 - A - B
        weight = torch.where(targets > 0.5, weight_power(base, self.gamma_pos), weight_power(base, self.gamma_neg))
        return -smoothed(targets, self.smoothing) * weight * log_P
