"""Focal loss for one label an image."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from evenkeel.trainables.losses._softmax import SoftmaxLoss, complement, log_probabilities, weight_power
from evenkeel.trainables.losses._stable import Number
from evenkeel.trainables.losses.entrywise import AT_LEAST_0


@dataclass(frozen=True, kw_only=True)
class FocalSoftmax(SoftmaxLoss):
    """-y (1 - P)^gamma log P, P = softmax(x). gamma 0 is cross-entropy.

    Source: RAL paper, eq. 3, with the softmax probability.
    """

    gamma: Number = 2.0

    domain: ClassVar = {"gamma": AT_LEAST_0}

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and one-hot targets [..., B, C]; a row's entries add up."""
        log_P = log_probabilities(logits, targets)
        return -targets * weight_power(complement(log_P), self.gamma) * log_P
