"""Asymmetric loss for one label an image."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._softmax import SoftmaxLoss, complement, log_probabilities, smoothed, weight_power
from evenkeel.trainables.losses._stable import Number
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, UNIT


@dataclass(frozen=True, kw_only=True)
class AslSoftmax(SoftmaxLoss):
    """-s_j w_j log P_j, s the smoothed target; w is (1 - P)^gamma_pos on the label and P^gamma_neg elsewhere.

    Without smoothing and with gamma_pos 0 it is cross-entropy whatever gamma_neg is: the negatives act only through
    the smoothed mass. The weights are differentiated. Source: ASL authors' published single-label code.
    """

    gamma_neg: Number = 4.0
    gamma_pos: Number = 0.0
    smoothing: Number = 0.1

    domain: ClassVar = {"gamma_neg": AT_LEAST_0, "gamma_pos": AT_LEAST_0, "smoothing": UNIT}

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and one-hot targets [..., B, C]; a row's entries add up."""
        log_P = log_probabilities(logits, targets)
        weight = torch.where(
            targets > 0.5, weight_power(complement(log_P), self.gamma_pos), torch.exp(self.gamma_neg * log_P)
        )
        return -smoothed(targets, self.smoothing) * weight * log_P
