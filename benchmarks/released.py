"""The multi-label losses as released codes compute them, step by step: what a user would run without evenkeel.

Sigmoid, logs of both sides clamped at 1e-8, masks by y and 1 - y, one weight torch.pow(1 - pt, gamma) with a tensor of
exponents, taken under no_grad in held mode; autograd does the rest. Losses without a released code follow the same
habits. Parameter names and defaults are those of `evenkeel.trainables.losses`; tests compare the values.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

EPS = 1e-8


def _asymmetric(x: Tensor, y: Tensor, *, gamma_neg: Any, gamma_pos: Any, clip: Any, focusing: str = "full",
                positive: Callable = torch.log, negative: Callable = lambda N, p: torch.log(N)) -> Tensor:  # fmt: skip
    """-[y positive(p) + (1 - y) negative(N, p)] (1 - pt)^gamma, N = min(1 - p + clip, 1)."""
    p = torch.sigmoid(x)
    N = (1 - p + clip).clamp(max=1) if isinstance(clip, Tensor) or clip > 0 else 1 - p
    loss = y * positive(p.clamp(min=EPS)) + (1 - y) * negative(N.clamp(min=EPS), p)
    if all(not isinstance(gamma, Tensor) and gamma == 0 for gamma in (gamma_neg, gamma_pos)):
        return -loss
    with torch.no_grad() if focusing == "held" else contextlib.nullcontext():
        pt = p * y + N * (1 - y)
        gamma = gamma_pos * y + gamma_neg * (1 - y)
        weight = torch.pow(1 - pt, gamma)
    return -loss * weight


def _polynomial(alpha1: Any, alpha2: Any) -> Callable:
    return lambda p: torch.log(p) + (1 - alpha1) * (1 - p) + (0.5 - alpha2) * torch.pow(1 - p, 2)


def _negative_polynomial(beta0: Any, beta1: Any) -> Callable:
    return lambda N, p: torch.log(N) - (beta1 - 1) * (1 - N) - beta0


def bce(x: Tensor, y: Tensor) -> Tensor:
    return _asymmetric(x, y, gamma_neg=0, gamma_pos=0, clip=0)


def focal(x: Tensor, y: Tensor, gamma: Any = 2.0, alpha: Any = None) -> Tensor:
    loss = _asymmetric(x, y, gamma_neg=gamma, gamma_pos=gamma, clip=0)
    return loss if alpha is None else (alpha * y + (1 - alpha) * (1 - y)) * loss


def asl( x: Tensor, y: Tensor, gamma_neg: Any = 4.0, gamma_pos: Any = 0.0, clip: Any = 0.05,
        focusing: str = "held" ) -> Tensor:  # fmt: skip
    return _asymmetric(x, y, gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, focusing=focusing)


def hill(x: Tensor, y: Tensor, hill_lambda: Any = 1.5, margin: Any = 1.0, gamma: Any = 2.0) -> Tensor:
    p, moved = torch.sigmoid(x), torch.sigmoid(x - margin)
    positive = (1 - moved) ** gamma * torch.log(moved)
    return -(y * positive + (1 - y) * -(hill_lambda - p) * p**2)


def apl(x: Tensor, y: Tensor, gamma_neg: Any = 4.0, gamma_pos: Any = 0.0, clip: Any = 0.05, alpha1: Any = 0.0,
        alpha2: Any = 1.75, beta0: Any = 0.0, beta1: Any = 1.0, focusing: str = "held") -> Tensor:  # fmt: skip
    return _asymmetric(x, y, gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, focusing=focusing,
                       positive=_polynomial(alpha1, alpha2), negative=_negative_polynomial(beta0, beta1))  # fmt: skip


def apl_eq5(x: Tensor, y: Tensor, **setting: Any) -> Tensor:
    return apl(x, y, **setting)


def ral(x: Tensor, y: Tensor, gamma_neg: Any = 4.0, gamma_pos: Any = 0.0, clip: Any = 0.05, alpha1: Any = 0.0,
        alpha2: Any = 1.75, beta0: Any = 0.0, beta1: Any = 1.0, hill_lambda: Any = 1.5,
        focusing: str = "full") -> Tensor:  # fmt: skip
    bracket = _negative_polynomial(beta0, beta1)
    return _asymmetric(x, y, gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, focusing=focusing,
                       positive=_polynomial(alpha1, alpha2),
                       negative=lambda N, p: bracket(N, p) * (hill_lambda - p) * p**2 * (hill_lambda - N))  # fmt: skip


def ral_eq6(x: Tensor, y: Tensor, gamma_neg: Any = 4.0, gamma_pos: Any = 0.0, clip: Any = 0.05, alpha1: Any = 0.0,
            alpha2: Any = 1.75, beta1: Any = 1.0, hill_lambda: Any = 1.5,
            focusing: str = "full") -> Tensor:  # fmt: skip
    bracket = _negative_polynomial(0.0, beta1)
    return _asymmetric(x, y, gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, focusing=focusing,
                       positive=_polynomial(alpha1, alpha2),
                       negative=lambda N, p: bracket(N, p) * (hill_lambda - p))  # fmt: skip


def ral_hill(x: Tensor, y: Tensor, gamma_neg: Any = 4.0, gamma_pos: Any = 0.0, clip: Any = 0.05, alpha1: Any = 0.0,
             alpha2: Any = 1.75, beta0: Any = 0.0, beta1: Any = 1.0, hill_lambda: Any = 1.5,
             focusing: str = "full") -> Tensor:  # fmt: skip
    bracket = _negative_polynomial(beta0, beta1)
    return _asymmetric(x, y, gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, focusing=focusing,
                       positive=_polynomial(alpha1, alpha2),
                       negative=lambda N, p: bracket(N, p) * (hill_lambda - p) * p**2)  # fmt: skip


def _class_weights(counts: tuple[int, ...], s: Any, logits: Tensor) -> Tensor:
    n = torch.tensor(counts, dtype=logits.dtype)
    return (n.min() / n) ** s


def bal(x: Tensor, y: Tensor, counts: tuple[int, ...], gamma_neg: Any = 9.8, gamma_pos: Any = 0.0, clip: Any = 0.05,
        s: Any = 1.35, smoothing: Any = 0.1, focusing: str = "full") -> Tensor:  # fmt: skip
    p = torch.sigmoid(x / x.amax((-2, -1), keepdim=True))
    N = (1 - p + clip).clamp(max=1)
    anti = 1 - y
    t = (1 - smoothing) * y + smoothing / x.shape[-1]
    positive = t * torch.log(p.clamp(min=EPS))
    positive = positive + positive * _class_weights(counts, s, x)
    negative = anti * torch.log(N.clamp(min=EPS))
    p, N = p * t, N * anti
    weight = torch.pow((1 - p - N).clamp(min=0), gamma_pos * t + gamma_neg * anti)
    return -(positive + negative) * weight


def bal_eq4(x: Tensor, y: Tensor, counts: tuple[int, ...], gamma_neg: Any = 9.8, gamma_pos: Any = 0.0,
            clip: Any = 0.05, s: Any = 1.35, smoothing: Any = 0.1, temperature: Any = 1.0,
            focusing: str = "full") -> Tensor:  # fmt: skip
    p = torch.sigmoid(x / temperature)
    N = (1 - p + clip).clamp(max=1)
    t = (1 - smoothing) * y + smoothing / x.shape[-1]
    positive = t * _class_weights(counts, s, x) * torch.log(p.clamp(min=EPS)) * torch.pow(1 - p, gamma_pos)
    negative = (1 - y) * torch.log(N.clamp(min=EPS)) * torch.pow(1 - N, gamma_neg)
    return -(positive + negative)


def cb(x: Tensor, y: Tensor, counts: tuple[int, ...], cb_beta: Any = 0.9, gamma: Any = 2.0) -> Tensor:
    weights = (1 - cb_beta) / (1 - torch.pow(cb_beta, torch.tensor(counts, dtype=x.dtype)))
    return weights * y.new_ones(y.shape) * _cross_entropy_focal(x, y, gamma)


def db(x: Tensor, y: Tensor, counts: tuple[int, ...], total: int, map_alpha: Any = 0.1, map_beta: Any = 10.0,
       map_mu: Any = 0.3, init_bias: Any = 0.05, neg_scale: Any = 5.0, gamma: Any = 2.0,
       balance: Any = 2.0) -> Tensor:  # fmt: skip
    n = torch.tensor(counts, dtype=x.dtype)
    rarity = (1 / n) / (y / n).sum(-1, keepdim=True)
    weight = torch.sigmoid(map_beta * (rarity - map_mu)) + map_alpha
    x = x - init_bias * torch.log(total / n - 1) / neg_scale
    x = x * (1 - y) * neg_scale + x * y
    weight = weight / neg_scale * (1 - y) + weight * y
    return balance * weight * _cross_entropy_focal(x, y, gamma)


def r_bce_focal(x: Tensor, y: Tensor, counts: tuple[int, ...], **setting: Any) -> Tensor:
    return db(x, y, counts, 10**6, init_bias=0.0, neg_scale=1.0, **setting)


def _cross_entropy_focal(x: Tensor, y: Tensor, gamma: Any) -> Tensor:
    """The released distribution-balanced code does use torch's own cross-entropy, and weighs it by exp(-it)."""
    entropy = functional.binary_cross_entropy_with_logits(x, y.expand_as(x), reduction="none")
    return (1 - torch.exp(-entropy)) ** gamma * entropy


RELEASED: dict[str, Callable[..., Tensor]] = {
    "bce": bce,
    "focal": focal,
    "asl": asl,
    "hill": hill,
    "apl": apl,
    "apl-eq5": apl_eq5,
    "ral": ral,
    "ral-eq6": ral_eq6,
    "ral-hill": ral_hill,
    "bal": bal,
    "bal-eq4": bal_eq4,
    "cb": cb,
    "db": db,
    "r-bce-focal": r_bce_focal,
}
