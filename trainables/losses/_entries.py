"""Shared mathematics of the sigmoid losses: stable probabilities, closed-form slopes, one autograd function.

Letters: x logit, p = sigmoid(x), q = 1 - p, m the shift ("clip"), P = max(p - m, 0).
Every loss here computes value and derivative together, in one pass without an autograd graph;
only the derivative is kept for the backward pass.
"""

from dataclasses import fields
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Number = float | Tensor
"""A hyperparameter: a number, or a tensor that broadcasts against [..., B, C] (a pack: [K, 1, 1])."""

FOCUSING = ("full", "held")


class Sigmoid(NamedTuple):
    """sigmoid(x), its complement and both negative logarithms, none of which loses digits in a tail."""

    p: Tensor
    q: Tensor
    neg_log_p: Tensor
    neg_log_q: Tensor


def sigmoid(x: Tensor) -> Sigmoid:
    """All four from one exponential, one logarithm and one division."""
    e = torch.exp(-x.abs())
    log1p_e = torch.log1p(e)
    large = 1 / (1 + e)
    small = e * large
    positive = x >= 0
    return Sigmoid(
        p=torch.where(positive, large, small),
        q=torch.where(positive, small, large),
        neg_log_p=log1p_e + torch.relu(-x),
        neg_log_q=log1p_e + torch.relu(x),
    )


class Side(NamedTuple):
    """One side (positive or negative entries) of a loss: value and derivative by the logit."""

    value: Tensor
    slope: Tensor


class EntryLoss(Protocol):
    """What `entrywise` needs of a loss: both sides, given logits in float32 or float64."""

    def _sides(self, x: Tensor, targets: Tensor) -> tuple[Side, Side]: ...


class _Entries(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, targets: Tensor, loss: EntryLoss) -> tuple[Tensor, Tensor]:
        positive, negative = loss._sides(x, targets)
        is_positive = targets > 0.5
        return (
            torch.where(is_positive, positive.value, negative.value),
            torch.where(is_positive, positive.slope, negative.slope),
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None, None


def entrywise(loss: EntryLoss, logits: Tensor, targets: Tensor) -> Tensor:
    """Loss of each entry, [..., B, C], differentiable by the logits (first order).

    Half-precision logits are computed in float32: a clamp of 1e-8 is 0 in float16 and yields NaN (D35).
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return _Entries.apply(logits, targets, loss)[0]


def is_zero(value: Number) -> bool:
    """True when the hyperparameter is 0 for the whole pack, so that its factor can be skipped."""
    return bool((value == 0).all()) if isinstance(value, Tensor) else value == 0


def check(loss: Any, *, at_least_zero: tuple[str, ...] = (), unit: tuple[str, ...] = ()) -> None:
    """Raise ValueError for a number outside its domain; tensors were checked by their Space when planned."""
    for field in fields(loss):
        value = getattr(loss, field.name)
        if field.name == "focusing" and value not in FOCUSING:
            raise ValueError(f"focusing must be one of {', '.join(FOCUSING)}, got {value!r}")
        if isinstance(value, Tensor) or value is None:
            continue
        if field.name in at_least_zero and not value >= 0:
            raise ValueError(f"{field.name} must be >= 0, got {value}")
        if field.name in unit and not 0 <= value < 1:
            raise ValueError(f"{field.name} must lie in [0, 1), got {value}")


def powers(base: Tensor, exponent: Number) -> Tensor | float:
    """base ** exponent for base >= 0, with 0 ** 0 = 1; the plain number 1 when the exponent is 0 throughout."""
    return 1.0 if is_zero(exponent) else torch.pow(base, exponent)


def focus_positive(s: Sigmoid, gamma: Number, bracket: Side, focusing: str) -> Side:
    """q^gamma times a bracket; with focusing "held" the weight is a constant for the gradient."""
    weight = powers(s.q, gamma)
    slope = weight * bracket.slope
    if focusing == "full" and not is_zero(gamma):
        slope = slope - gamma * s.p * weight * bracket.value
    return Side(weight * bracket.value, slope)


class Shifted(NamedTuple):
    """The shifted probability P of a negative entry, -log(1 - P), and dP/dx (0 on clipped entries)."""

    P: Tensor
    neg_log: Tensor
    complement: Tensor
    dP: Tensor


def shift(s: Sigmoid, clip: Number) -> Shifted:
    """P = max(p - clip, 0). Never forms log(q + m) near P = 0, where its digits are lost."""
    dp = s.p * s.q
    if is_zero(clip):
        return Shifted(s.p, s.neg_log_q, s.q, dp)
    P = torch.relu(s.p - clip)
    # -log(1 - P) <= -log(1 - p): the minimum only bites where 1 - P has lost all its digits.
    neg_log = torch.minimum(-torch.log1p(-P), s.neg_log_q)
    if isinstance(clip, Tensor):
        neg_log = torch.where(clip > 0, neg_log, s.neg_log_q)
    return Shifted(P, neg_log, (s.q + clip).clamp_max(1), torch.where(P > 0, dp, 0))


def focus_negative(shifted: Shifted, gamma: Number, bracket: Side, focusing: str) -> Side:
    """P^gamma times a bracket.

    The derivative of P^gamma is written gamma P^gamma (bracket / P), which is finite for 0 < gamma < 1 too; clipped
    entries have gradient 0 there, where the published code yields infinity times 0 = NaN.
    """
    weight = powers(shifted.P, gamma)
    slope = weight * bracket.slope
    if focusing == "full" and not is_zero(gamma):
        tiny = torch.finfo(shifted.P.dtype).tiny
        moving = gamma * weight * (bracket.value / shifted.P.clamp_min(tiny)) * shifted.dP
        slope = slope + torch.where(shifted.dP > 0, moving, 0)
    return Side(weight * bracket.value, slope)


def log_slope(s: Sigmoid, shifted: Shifted) -> Tensor:
    """d/dx of -log(1 - P), = dP / (1 - P), written so that 0/0 does not occur when q underflows."""
    tiny = torch.finfo(s.q.dtype).tiny
    ratio = s.p * (s.q.clamp_min(tiny) / shifted.complement.clamp_min(tiny))
    return torch.where(shifted.P > 0, ratio, 0)
