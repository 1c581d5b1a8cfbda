"""Binary cross-entropy."""

from dataclasses import dataclass

from torch import Tensor

from trainables.losses._entries import Side, entrywise, sigmoid


@dataclass(frozen=True, kw_only=True)
class Bce:
    """-log p on positives, -log(1 - p) on negatives.

    Source: RAL paper, eq. 1 and 2.
    """

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def _sides(self, x: Tensor, targets: Tensor) -> tuple[Side, Side]:
        s = sigmoid(x)
        return Side(s.neg_log_p, -s.q), Side(s.neg_log_q, s.p)
