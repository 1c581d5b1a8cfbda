"""Balanced asymmetric loss, as the LM-CLIP paper prints it, with its signs put right."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._class_weights import Balanced
from evenkeel.trainables.losses._stable import Number, Side, focus_negative, focus_positive, is_zero, shift, softplus
from evenkeel.trainables.losses.entrywise import ABOVE_0, Places


@dataclass(frozen=True, kw_only=True)
class BalEq4(Balanced):
    """-[y_ls w_c q^gamma_pos log p + (1 - y) P^gamma_neg log(1 - P)], y_ls = (1 - eps) y + eps / C.

    w_c = (n_min / n_c)^s; unweighted (neither `counts` nor `weights`) means w_c = 1. Logits are divided by
    `temperature`: the form is not trainable on raw CLIP similarities without one. s = 0 and eps = 0 give ASL exactly.
    Source: LM-CLIP paper, eq. 3 to 5 (the doubled minus sign of eq. 3 and 4 resolved, D14).
    """

    temperature: Number = 1.0

    domain: ClassVar = {**Balanced.domain, "temperature": ABOVE_0}

    def positive(self, x: Tensor, places: Places) -> Side:
        x = x / self.temperature
        log_p = self._weighted_log_p(x, places)
        share = 1 - self.smoothing + self.smoothing / places.num_classes
        return Side(share * log_p.value, share * log_p.slope / self.temperature)

    def negative(self, x: Tensor, places: Places) -> Side:
        x = x / self.temperature
        shifted = shift(x, self.clip)
        hard = focus_negative(shifted, self.gamma_neg, Side(shifted.neg_log, shifted.log_slope), self.focusing)
        if is_zero(self.smoothing):
            return Side(hard.value, hard.slope / self.temperature)
        log_p = self._weighted_log_p(x, places)
        share = self.smoothing / places.num_classes
        return Side(share * log_p.value + hard.value, (share * log_p.slope + hard.slope) / self.temperature)

    def _weighted_log_p(self, x: Tensor, places: Places) -> Side:
        """-w_c q^gamma_pos log p."""
        weights = self.class_weights(x)
        scale: Number = 1.0 if weights is None else places.per_class(weights)
        bracket = Side(scale * softplus(-x), -scale * torch.sigmoid(-x))
        return focus_positive(x, self.gamma_pos, bracket, self.focusing)
