"""Focal loss."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import (
    Number,
    Shifted,
    Side,
    check,
    entrywise,
    focus_negative,
    focus_positive,
    sigmoid,
)


@dataclass(frozen=True, kw_only=True)
class Focal:
    """-alpha q^gamma log p on positives, -(1 - alpha) p^gamma log(1 - p) on negatives.

    `alpha` None weighs both sides 1, as the focal baseline of the Hill and RAL code does; gamma 0 is then BCE.
    Source: RAL paper, eq. 3 (two free alphas, tied here as usual).
    """

    gamma: Number = 2.0
    alpha: Number | None = None

    def __post_init__(self) -> None:
        check(self, at_least_zero=("gamma", "alpha"))

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _sides(self, x: Tensor, targets: Tensor) -> tuple[Side, Side]:
        s = sigmoid(x)
        positive = focus_positive(s, self.gamma, Side(s.neg_log_p, -s.q), "full")
        unshifted = Shifted(s.p, s.neg_log_q, s.q, s.p * s.q)
        negative = focus_negative(unshifted, self.gamma, Side(s.neg_log_q, s.p), "full")
        if self.alpha is None:
            return positive, negative
        rest = 1 - self.alpha
        return (
            Side(self.alpha * positive.value, self.alpha * positive.slope),
            Side(rest * negative.value, rest * negative.slope),
        )
