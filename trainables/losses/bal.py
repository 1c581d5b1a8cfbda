"""Balanced asymmetric loss, as the published code computes it, made safe."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses._class_weights import resolve_weights
from trainables.losses._entries import (
    Number,
    Side,
    check,
    entrywise,
    powers,
    shift,
    sigmoid,
)
from trainables.losses._entries import log_slope as shifted_log_slope

LOGIT_FLOOR = 1e-3
"""The batch maximum is floored here: at 0 the published code divides by zero, below 0 it reverses all logits."""


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

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma_neg", "gamma_pos", "s"), unit=("clip", "smoothing"))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C]; the last two axes of the logits form the batch of the maximum."""
        x = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        largest = x.amax(dim=(-2, -1), keepdim=True).clamp_min(LOGIT_FLOOR)
        return entrywise(self, x / largest, targets)

    def _sides(self, x: Tensor, targets: Tensor) -> tuple[Side, Side]:
        s = sigmoid(x)
        shifted = shift(s, self.clip)
        t0 = self.smoothing / x.shape[-1]
        t1 = 1 - self.smoothing + t0
        weights = resolve_weights(self.counts, self.weights, self.s, x)
        scale = 1.0 if weights is None else 1 + weights
        dp, tiny = s.p * s.q, torch.finfo(x.dtype).tiny

        def focused(base: Tensor, d_base: Tensor, gamma: Number, term: Side) -> Side:
            weight = powers(base, gamma)
            slope = weight * term.slope
            if self.focusing == "full":
                moving = gamma * weight / base.clamp_min(tiny) * d_base * term.value
                slope = slope + torch.where(base > 0, moving, 0)
            return Side(weight * term.value, slope)

        positive = focused(
            1 - t1 * s.p,
            -t1 * dp,
            self.gamma_pos * t1,
            Side(t1 * scale * s.neg_log_p, -t1 * scale * s.q),
        )
        log_slope = shifted_log_slope(s, shifted)
        negative = focused(
            torch.relu(shifted.P - t0 * s.p),
            shifted.dP - t0 * dp,
            self.gamma_neg + self.gamma_pos * t0,
            Side(t0 * scale * s.neg_log_p + shifted.neg_log, log_slope - t0 * scale * s.q),
        )
        return positive, negative
