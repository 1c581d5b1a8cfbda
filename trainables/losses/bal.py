"""Balanced asymmetric loss, as the published code computes it, made safe."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evenkeel.trainables.losses._class_weights import Balanced
from evenkeel.trainables.losses._stable import Number, Side, focus, shift, softplus
from evenkeel.trainables.losses.entrywise import Places, at_least_single

SMALLEST_MAXIMUM = 1e-3
"""The batch maximum is floored here: at 0 the published code divides by zero, below 0 it reverses all logits."""


@dataclass(frozen=True, kw_only=True)
class Bal(Balanced):
    """ASL of z = x / max(x) with smoothed positives, class weights w_c + 1 and one focusing weight for both terms.

    The maximum runs over the whole batch [B, C] and is differentiated: the loss couples the rows of a batch and is
    invariant to the scale of the logits, so it is made for CLIP similarities, not for plain classifier heads (use
    `bal-eq4` there). Where P < t0 p the published code raises a negative base to a broken power (NaN, D18); here the
    base is floored at 0 and has gradient 0 there. Unweighted (neither `counts` nor `weights`) means w_c = 0.
    Source: the LM-CLIP authors' published code; the printed form is `bal-eq4`.
    """

    def rescaled(self, logits: Tensor) -> Tensor:
        """x / max(x), [..., B, C], the maximum over the last two axes and at least SMALLEST_MAXIMUM."""
        x = at_least_single(logits)
        return x / x.amax(dim=(-2, -1), keepdim=True).clamp_min(SMALLEST_MAXIMUM)

    def positive(self, x: Tensor, places: Places) -> Side:
        p, q = torch.sigmoid(x), torch.sigmoid(-x)
        t0 = self.smoothing / places.num_classes
        t1 = 1 - self.smoothing + t0
        scale = self._weight(x, places)
        term = Side(t1 * scale * softplus(-x), -t1 * scale * q)
        return focus(1 - t1 * p, -t1 * p * q, self.gamma_pos * t1, term, self.focusing)

    def negative(self, x: Tensor, places: Places) -> Side:
        shifted = shift(x, self.clip)
        t0 = self.smoothing / places.num_classes
        smoothed = t0 * self._weight(x, places)
        term = Side(smoothed * softplus(-x) + shifted.neg_log, shifted.log_slope - smoothed * shifted.q)
        base = torch.relu(shifted.P - t0 * shifted.p)
        d_base = (shifted.dP - t0 * shifted.p * shifted.q) * torch.sign(base)
        return focus(base, d_base, self.gamma_neg + self.gamma_pos * t0, term, self.focusing)

    def _weight(self, x: Tensor, places: Places) -> Number:
        """w_c + 1, or 1 without weights."""
        weights = self.class_weights(x)
        return 1.0 if weights is None else places.per_class(1 + weights)
