"""Balanced asymmetric loss, as the LM-CLIP paper prints it, with its signs put right."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._class_weights import resolve_weights
from trainables.losses._entries import (
    Number,
    Side,
    check,
    entrywise,
    focus_negative,
    focus_positive,
    log_slope,
    shift,
    sigmoid,
)


@dataclass(frozen=True, kw_only=True)
class BalEq4:
    """-[y_ls w_c q^gamma_pos log p + (1 - y) P^gamma_neg log(1 - P)], y_ls = (1 - eps) y + eps / C.

    w_c = (n_min / n_c)^s; unweighted (neither `counts` nor `weights`) means w_c = 1. Logits are divided by
    `temperature`: the form is not trainable on raw CLIP similarities without one. s = 0 and eps = 0 give ASL exactly.
    Source: LM-CLIP paper, eq. 3 to 5 (the doubled minus sign of eq. 3 and 4 resolved, D14).
    """

    gamma_neg: Number = 9.8
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    s: Number = 1.35
    smoothing: Number = 0.1
    temperature: Number = 1.0
    focusing: str = "full"
    counts: tuple[int, ...] | None = None
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma_neg", "gamma_pos", "s"), unit=("clip", "smoothing"))
        if not isinstance(self.temperature, Tensor) and not self.temperature > 0:
            raise ValueError(f"temperature must be > 0, got {self.temperature}")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _sides(self, x: Tensor, targets: Tensor) -> tuple[Side, Side]:
        s = sigmoid(x / self.temperature)
        shifted = shift(s, self.clip)
        weights = resolve_weights(self.counts, self.weights, self.s, x)
        scale = 1.0 if weights is None else weights
        spread = self.smoothing / x.shape[-1]
        log_p = Side(scale * s.neg_log_p, -scale * s.q)
        smoothed = focus_positive(s, self.gamma_pos, log_p, self.focusing)
        hard = focus_negative(
            shifted, self.gamma_neg, Side(shifted.neg_log, log_slope(s, shifted)), self.focusing
        )
        share = 1 - self.smoothing + spread
        return (
            Side(share * smoothed.value, share * smoothed.slope / self.temperature),
            Side(
                spread * smoothed.value + hard.value,
                (spread * smoothed.slope + hard.slope) / self.temperature,
            ),
        )
