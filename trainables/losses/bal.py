"""Balanced asymmetric loss, as the published code computes it, made safe."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trainables.losses._class_weights import resolve_weights
from trainables.losses._entries import (
    Number,
    Places,
    Side,
    batch_maximum,
    check,
    check_batch,
    entrywise,
    focus,
    shift,
    softplus,
)


@dataclass(frozen=True, kw_only=True)
class Bal:
    """ASL of z = x / max(x) with smoothed positives, class weights w_c + 1 and one focusing weight for both terms.

    The maximum runs over the whole batch [B, C] and is differentiated: the loss couples the rows of a batch and is
    invariant to the scale of the logits, so it is made for CLIP similarities, not for plain classifier heads (use
    `bal-eq4` there). Where P < t0 p the published code raises a negative base to a broken power (NaN, D18); here the
    base is floored at 0 and has gradient 0 there. Unweighted (neither `counts` nor `weights`) means w_c = 0.
    Source: the LM-CLIP authors' published code; the printed form is `bal-eq4`.
    """

    gamma_neg: Number = 9.8
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    s: Number = 1.35
    smoothing: Number = 0.1
    focusing: str = "full"
    counts: tuple[int, ...] | None = None
    weights: tuple[float, ...] | None = None

    _scale_floor: ClassVar[float] = 1e-3
    """The batch maximum is floored here: at 0 the published code divides by zero, below 0 it reverses all logits."""

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma_neg", "gamma_pos", "s"), unit=("clip", "smoothing"))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C]; the last two axes of the logits form the batch of the maximum."""
        check_batch(logits, targets)
        x = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        return entrywise(self, x / batch_maximum(x, self._scale_floor), targets)

    def _positive(self, x: Tensor, places: Places) -> Side:
        p, q = torch.sigmoid(x), torch.sigmoid(-x)
        t0 = self.smoothing / places.num_classes
        t1 = 1 - self.smoothing + t0
        scale = self._weight(x, places)
        term = Side(t1 * scale * softplus(-x), -t1 * scale * q)
        return focus(1 - t1 * p, -t1 * p * q, self.gamma_pos * t1, term, self.focusing)

    def _negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, self.clip)
        t0 = self.smoothing / places.num_classes
        smoothed = t0 * self._weight(x, places)
        term = Side(smoothed * softplus(-x) + shifted.neg_log, shifted.log_slope - smoothed * shifted.q)
        base = torch.relu(shifted.P - t0 * shifted.p)
        d_base = (shifted.dP - t0 * shifted.p * shifted.q) * torch.sign(base)
        return focus(base, d_base, self.gamma_neg + self.gamma_pos * t0, term, self.focusing)

    def _weight(self, x: Tensor, places: Places) -> Number:
        """w_c + 1, or 1 without weights."""
        weights = resolve_weights(self.counts, self.weights, self.s, x)
        return 1.0 if weights is None else places.per_class(1 + weights)
