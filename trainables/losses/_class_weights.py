"""Class weights: of the balanced asymmetric loss, whose two forms share their fields, and effective numbers."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Number
from evenkeel.trainables.losses.entrywise import AT_LEAST_0, FOCUSING, UNIT, EntryLoss


def class_weights(counts: tuple[int, ...], s: Number, template: Tensor) -> Tensor:
    """w_c = (n_min / n_c)^s, shape [..., 1, C]: 1 for the rarest class, all ones for s = 0.

    Source: LM-CLIP paper, eq. 5 (the number of images cancels). Raises ValueError for a count below 1.
    """
    if min(counts) < 1:
        raise ValueError(f"counts must be >= 1, got {min(counts)}: drop classes without positives")
    log_counts = torch.tensor(counts, dtype=template.dtype, device=template.device).log()
    return torch.exp(s * (log_counts.min() - log_counts).view(1, -1)).to(template.dtype)


@dataclass(frozen=True, kw_only=True)
class Balanced(EntryLoss):
    """The fields of both forms of BAL. Class weights come from `weights`, or from `counts` and `s`, or are left out."""

    gamma_neg: Number = 9.8
    gamma_pos: Number = 0.0
    clip: Number = 0.05
    s: Number = 1.35
    smoothing: Number = 0.1
    focusing: str = "full"
    counts: tuple[int, ...] | None = None
    weights: tuple[float, ...] | None = None

    domain: ClassVar = {
        "gamma_neg": AT_LEAST_0,
        "gamma_pos": AT_LEAST_0,
        "s": AT_LEAST_0,
        "clip": UNIT,
        "smoothing": UNIT,
        "focusing": FOCUSING,
    }
    makes_weights: ClassVar = ("s",)

    def class_weights(self, template: Tensor) -> Tensor | None:
        """w_c, [..., 1, C]; None for an unweighted loss."""
        if self.weights is not None:
            return torch.tensor(self.weights, dtype=template.dtype, device=template.device).view(1, -1)
        return None if self.counts is None else class_weights(self.counts, self.s, template)


def effective_weights(counts: Tensor, beta: Number) -> Tensor:
    """(1 - beta) / (1 - beta^n) of counts n [...], the inverse effective number: 1 at beta 0, 1/n at beta 1.

    Source: Cui et al. 2019. Worked out in double precision and with expm1: 1 - beta and 1 - beta^n lose
    their digits for beta near 1, already when 0.9999 is rounded to single precision.
    """
    log_beta = torch.as_tensor(beta, dtype=torch.float64, device=counts.device).log()
    return (torch.expm1(log_beta) / torch.expm1(counts * log_beta)).to(counts.dtype)
