"""Label-distribution-aware margin loss."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._class_weights import effective_weights
from evenkeel.trainables.losses._softmax import SoftmaxLoss, log_probabilities
from evenkeel.trainables.losses._stable import Number
from evenkeel.trainables.losses.entrywise import ABOVE_0, AT_LEAST_0, at_least_single, check_batch

DEFERRED_FROM = 0.8
DEFERRED_BETA = 0.9999


@dataclass(frozen=True, kw_only=True)
class Ldam(SoftmaxLoss):
    """Cross-entropy of scale (x - y Delta_c), Delta_c = max_margin (n_min / n_c)^(1/4). One label an image.

    `drw`: from four fifths of the training on, classes weigh (1 - b) / (1 - b^n_c) with b = 0.9999, scaled to sum to C
    (deferred re-weighting); `weights` sets class weights directly. The default scale of 30 belongs to a cosine
    classifier and is far too large for a plain linear head.
    Source: Cao et al. 2019, published code; the RAL paper's table 5.
    """

    max_margin: Number = 0.5
    scale: Number = 30.0
    drw: bool = False
    counts: tuple[int, ...]
    weights: tuple[float, ...] | None = None

    domain: ClassVar = {"max_margin": AT_LEAST_0, "scale": ABOVE_0}

    def at(self, progress: float) -> "Ldam":
        """The loss to use at `progress` in [0, 1) of the training."""
        if not self.drw or progress < DEFERRED_FROM:
            return self
        weights = effective_weights(torch.tensor(self.counts, dtype=torch.float64), DEFERRED_BETA)
        return replace(self, weights=tuple((weights * len(weights) / weights.sum()).tolist()))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and one-hot targets [..., B, C]; a row's entries add up."""
        check_batch(logits, targets)
        x = at_least_single(logits)
        counts = torch.tensor(self.counts, dtype=x.dtype, device=x.device)
        margins = self.max_margin * (counts.min() / counts) ** 0.25
        losses = -targets * log_probabilities(self.scale * (x - targets * margins), targets)
        return losses if self.weights is None else losses * torch.tensor(self.weights).to(x)

    def log_odds(self, logits: Tensor) -> Tensor:
        """Logits [..., C] whose sigmoid is the softmax probability of the scaled logits, without margins."""
        return super().log_odds(self.scale * logits)
