"""Softmax cross-entropy."""

from dataclasses import dataclass

from torch import Tensor

from evenkeel.trainables.losses._softmax import SoftmaxLoss, log_probabilities


@dataclass(frozen=True, kw_only=True)
class Ce(SoftmaxLoss):
    """-y log P, P = softmax(x). One label an image."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and one-hot targets [..., B, C]; a row's entries add up."""
        return -targets * log_probabilities(logits, targets)
