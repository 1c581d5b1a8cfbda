"""Mathematics that the sigmoid losses share: probabilities, powers and focusing weights that keep their digits.

Letters: x logit, p = sigmoid(x), q = 1 - p, m the shift ("clip"), P = max(p - m, 0).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Number = float | Tensor
"""A hyperparameter: a number, or a tensor that broadcasts against [..., B, C] (a pack: [K, 1, 1])."""

SMALL_CLIP = 1e-3
LARGEST_WHOLE = 16
SOFTPLUS_IS_LINEAR = 40.0
"""Above it softplus(x) = x to the last digit of double precision."""
LOG_ZERO = -1e30
"""Stands for log(0): times an exponent > 0 it still gives exp(...) = 0, times 0 it gives 1."""


class Side(NamedTuple):
    """One side (positive or negative entries) of a loss: value and derivative by the logit."""

    value: Tensor
    slope: Tensor


def scaled(side: Side, factor: Number) -> Side:
    """A side times a factor that does not depend on the logits."""
    return Side(factor * side.value, factor * side.slope)


def is_zero(value: Number) -> bool:
    """True when the hyperparameter is 0 for the whole pack, so that its factor can be skipped."""
    return bool((value == 0).all()) if isinstance(value, Tensor) else value == 0


def least(value: Number) -> float:
    """The smallest value of a hyperparameter over the pack."""
    return value if isinstance(value, float | int) else float(value.min())


def softplus(x: Tensor) -> Tensor:
    """-log(sigmoid(-x)) of x [...], without losing digits in either tail."""
    return functional.softplus(x, threshold=SOFTPLUS_IS_LINEAR)


def cross_entropy_positive(x: Tensor) -> Side:
    """-log p of logits x [...]."""
    return Side(softplus(-x), -torch.sigmoid(-x))


def is_whole(exponent: Number) -> bool:
    """True for a plain number 1, 2, ... small enough that multiplying is faster than exp and log."""
    return isinstance(exponent, int | float) and float(exponent).is_integer() and 1 <= exponent <= LARGEST_WHOLE


def power(base: Tensor, exponent: Number) -> Tensor:
    """base [...] ** exponent for base >= 0, exponent >= 0, with 0 ** 0 = 1. Faster than torch.pow."""
    if is_whole(exponent):
        half = power(base, exponent // 2) if exponent > 1 else None
        square = base if half is None else half * half
        return square * base if half is not None and exponent % 2 else square
    return base * 0 + 1 if is_zero(exponent) else broken_power(base, exponent)


def broken_power(base: Tensor, exponent: Number) -> Tensor:
    """The same [...] by exp and log, kept away from 0 and subnormal numbers, where they are many times slower."""
    tiny = 1.5 * torch.finfo(base.dtype).tiny
    log = torch.threshold_(base.clamp_min(tiny).log_(), math.log(tiny) * (1 - 1e-6), LOG_ZERO)
    return torch.threshold_((exponent * log).clamp_min_(math.log(tiny)).exp_(), tiny * (1 + 1e-3), 0.0)


def sigmoid_power(x: Tensor, exponent: Number) -> Tensor:
    """sigmoid(x) ** exponent of x [...], without losing digits in either tail."""
    return power(torch.sigmoid(x), exponent) if is_whole(exponent) else torch.exp(-exponent * softplus(-x))


def focus_positive(x: Tensor, gamma: Number, bracket: Side, focusing: str) -> Side:
    """q^gamma times a bracket, both [...]; with focusing "held" the weight is a constant for the gradient."""
    if is_zero(gamma):
        return bracket
    weight = sigmoid_power(-x, gamma)
    slope = bracket.slope
    if focusing == "full":
        slope = slope - gamma * torch.sigmoid(x) * bracket.value
    return Side(weight * bracket.value, weight * slope)


class Shifted(NamedTuple):
    """The shifted probability of negative entries and what follows from it. On clipped entries all but p, q are 0."""

    p: Tensor
    q: Tensor
    P: Tensor
    neg_log: Tensor  # -log(1 - P)
    log_slope: Tensor  # its derivative by x
    dP: Tensor  # dP/dx


def shift(x: Tensor, clip: Number) -> Shifted:
    """P = max(p - clip, 0) of logits x [...]. Never forms log(q + m) near P = 0, where its digits are lost."""
    p, q = torch.sigmoid(x), torch.sigmoid(-x)
    if is_zero(clip):
        return Shifted(p, q, p, softplus(x), p.clone(), p * q)
    P = torch.relu(p - clip)
    unclipped = torch.sign(P)
    neg_log = torch.log1p(-P).neg_()
    if least(clip) < SMALL_CLIP:
        # -log(1 - P) <= -log(1 - p): the minimum only bites where 1 - P has lost all its digits.
        exact = softplus(x)
        neg_log = torch.minimum(neg_log, exact)
        neg_log = neg_log if isinstance(clip, float | int) else torch.where(clip > 0, neg_log, exact)
    tiny = torch.finfo(x.dtype).tiny
    ratio = q / (q + clip) if least(clip) > tiny else q.clamp_min(tiny) / (q + clip).clamp_min_(tiny)
    dp = unclipped.mul_(p)
    return Shifted(p, q, P, neg_log, ratio.mul_(dp), dp * q)


def focus_negative(shifted: Shifted, gamma: Number, bracket: Side, focusing: str) -> Side:
    """P^gamma times a bracket.

    The derivative of P^gamma is written gamma P^gamma (bracket / P), which is finite for 0 < gamma < 1 too; clipped
    entries have gradient 0 there, where the published code yields infinity times 0 = NaN.
    """
    if is_zero(gamma):
        return bracket
    return focus(shifted.P, shifted.dP, gamma, bracket, focusing)


def focus(base: Tensor, d_base: Tensor, gamma: Number, bracket: Side, focusing: str) -> Side:
    """base^gamma times a bracket, all [...].

    `d_base` is the derivative of the base by the logit, 0 where the base is floored.
    """
    if is_whole(gamma):
        lower = power(base, gamma - 1) if gamma > 1 else None
        weight = base if lower is None else lower * base
        slope = weight * bracket.slope
        if focusing == "full":
            moved = bracket.value * d_base
            slope = slope + gamma * (moved if lower is None else lower * moved)
        return Side(weight * bracket.value, slope)
    weight = power(base, gamma)
    slope = bracket.slope
    if focusing == "full":
        floor = 1e12 * torch.finfo(base.dtype).tiny
        slope = slope + gamma * (bracket.value / base.clamp_min(floor) * d_base)
    return Side(weight * bracket.value, weight * slope)
