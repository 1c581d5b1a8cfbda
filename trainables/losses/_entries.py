"""Shared mathematics of the sigmoid losses: stable probabilities, closed-form slopes, one autograd function.

Letters: x logit, p = sigmoid(x), q = 1 - p, m the shift ("clip"), P = max(p - m, 0).
Every loss here computes value and derivative together, in one pass without an autograd graph; only the derivative is
kept for the backward pass. In long-tailed multi-label data few entries are positive, so the negative side is computed
everywhere and the positive side only where a target is 1.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Number = float | Tensor
"""A hyperparameter: a number, or a tensor that broadcasts against [..., B, C] (a pack: [K, 1, 1])."""

FOCUSING = ("full", "held")
SMALL_CLIP = 1e-3
ENTRIES_AT_ONCE = 1 << 17
LARGEST_WHOLE = 16
SOFTPLUS_IS_LINEAR = 40.0
"""Above it softplus(x) = x to the last digit of double precision."""
LOG_ZERO = -1e30
"""Stands for log(0): times an exponent > 0 it still gives exp(...) = 0, times 0 it gives 1."""


class Side(NamedTuple):
    """One side (positive or negative entries) of a loss: value and derivative by the logit."""

    value: Tensor
    slope: Tensor


@dataclass(frozen=True)
class Places:
    """Which classes the entries handed to `_positive` belong to: all [..., B, C], or a list of M as [..., M, 1]."""

    num_classes: int
    columns: Tensor | None = None

    def per_class(self, values: Tensor) -> Tensor:
        """Values of each class, [..., 1, C], laid beside the entries."""
        return values if self.columns is None else values[..., self.columns].transpose(-1, -2)


class EntryLoss(Protocol):
    """What `entrywise` needs of a loss: its two sides, given logits in float32 or float64.

    A loss may also have `_weights(like, row)`: factors of its entries that broadcast to [..., B, C], constant for the
    gradient; with `_needs_row`, `row` is what its `_row(targets, _of_classes(like))` finds out of each row,
    [..., B, 1]. With `_scale_floor` > 0 the entries are those of x / `batch_maximum(x, _scale_floor)`.
    """

    def _positive(self, x: Tensor, places: Places) -> Side: ...

    def _negative(self, x: Tensor, places: Places) -> Side: ...


class _Entries(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, targets: Tensor, loss: EntryLoss) -> tuple[Tensor, Tensor]:
        if not _one_target_matrix(x, targets, loss):
            value, slope = dense_sides(loss, x, targets)
        elif x.is_cpu and x.numel() > ENTRIES_AT_ONCE:
            value, slope = _in_blocks(loss, x, targets)
        else:
            value, slope = sparse_sides(loss, x, targets)
        return value, slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None]:
        (slope,) = ctx.saved_tensors
        return None if grads[0] is None else (grads[0] * slope).sum_to_size(ctx.shape), None, None


def dense_sides(loss: EntryLoss, x: Tensor, targets: Tensor) -> Side:
    """Value and slope of every entry, both sides computed everywhere: no step depends on the data."""
    everywhere, is_positive = Places(x.shape[-1]), targets > 0.5
    sides = zip(loss._positive(x, everywhere), loss._negative(x, everywhere), strict=True)
    return _weighed(loss, x, targets, Side(*(torch.where(is_positive, p, n) for p, n in sides)))


def sparse_sides(loss: EntryLoss, x: Tensor, targets: Tensor) -> Side:
    """The same for one matrix of targets: the positive side is computed only where a target is 1."""
    rows, columns = _positives(targets)
    positive = loss._positive(x[..., rows, columns].unsqueeze(-1), Places(x.shape[-1], columns))
    negative = loss._negative(x, Places(x.shape[-1]))
    both = Side(*(_with(n, rows, columns, p) for n, p in zip(negative, positive, strict=True)))
    return _weighed(loss, x, targets, both)


def _positives(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the positives; numpy finds them several times faster than torch."""
    if targets.dtype not in (torch.float32, torch.float64) or not targets.is_cpu or torch.compiler.is_compiling():
        rows, columns = targets.nonzero(as_tuple=True)
    else:
        flat = np.flatnonzero(targets.detach().numpy() > 0.5)
        rows, columns = map(torch.from_numpy, np.divmod(flat, targets.shape[-1]))
    return rows, columns


def _in_blocks(loss: EntryLoss, x: Tensor, targets: Tensor) -> Side:
    """The same in blocks of rows, which stay in the processor's cache from one step to the next."""
    num_rows = max(1, ENTRIES_AT_ONCE * x.shape[-2] // x.numel())
    whole: Side | None = None
    for start in range(0, x.shape[-2], num_rows):
        rows = slice(start, start + num_rows)
        block = sparse_sides(loss, x[..., rows, :], targets[rows])
        whole = whole or Side(*(part.new_empty(*part.shape[:-2], *x.shape[-2:]) for part in block))
        for part, of_block in zip(whole, block, strict=True):
            part[..., rows, :] = of_block
    assert whole is not None
    return whole


def _weighed(loss: EntryLoss, x: Tensor, targets: Tensor, side: Side) -> Side:
    if not hasattr(loss, "_weights"):
        return side
    row = loss._row(targets, loss._of_classes(x)) if loss._needs_row else None  # type: ignore[attr-defined]
    return scaled(side, loss._weights(x, row))


def _one_target_matrix(x: Tensor, targets: Tensor, loss: EntryLoss) -> bool:
    """Whether positives can be picked by row and column: one [B, C] for the whole pack, no per-entry hyperparameter."""
    if targets.dim() != 2 or torch._C._functorch.is_batchedtensor(targets) or torch._C._functorch.is_batchedtensor(x):
        return False
    tensors = [value for field in fields(loss) if isinstance(value := getattr(loss, field.name), Tensor)]  # type: ignore[arg-type]
    return all(tensor.dim() == 0 or tensor.shape[-2:] == (1, 1) for tensor in tensors)


def _with(everywhere: Tensor, rows: Tensor, columns: Tensor, picked: Tensor) -> Tensor:
    """`everywhere` [..., B, C] with the entries at (rows, columns) replaced by `picked` [..., M, 1], in place."""
    if picked.shape[:-2] != everywhere.shape[:-2]:
        lead = np.broadcast_shapes(everywhere.shape[:-2], picked.shape[:-2])
        everywhere = everywhere.expand(*lead, *everywhere.shape[-2:]).clone()
    everywhere[..., rows, columns] = picked.squeeze(-1)
    return everywhere


def entrywise(loss: EntryLoss, logits: Tensor, targets: Tensor) -> Tensor:
    """Loss of each entry, [..., B, C], differentiable by the logits (first order).

    Half-precision logits are computed in float32: a clamp of 1e-8 is 0 in float16 and yields NaN (D35). A NaN logit
    gives a NaN loss, never a finite one. Raises ValueError for an empty batch and for shapes that do not fit.
    """
    check_batch(logits, targets)
    if torch.is_autocast_enabled(logits.device.type):  # it would take products of matrices in half precision
        with torch.autocast(logits.device.type, enabled=False):
            return entrywise(loss, logits, targets)
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return _Entries.apply(logits, targets, loss)[0]


def batch_maximum(x: Tensor, floor: float) -> Tensor:
    """The largest logit of the batch, at least `floor`, [..., 1, 1]."""
    return x.amax(dim=(-2, -1), keepdim=True).clamp_min(floor)


def check_batch(logits: Tensor, targets: Tensor) -> None:
    """Raise ValueError unless logits and targets are non-empty and both end in [B, C]."""
    if logits.dim() < 2 or logits.shape[-2:] != targets.shape[-2:]:
        raise ValueError(
            f"logits and targets must both end in [B, C], got {tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    if logits.numel() == 0:
        raise ValueError(f"logits must not be empty, got shape {tuple(logits.shape)}; skip empty batches")


def scaled(side: Side, factor: Number) -> Side:
    """A side times a factor that does not depend on the logits."""
    return Side(factor * side.value, factor * side.slope)


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


def is_zero(value: Number) -> bool:
    """True when the hyperparameter is 0 for the whole pack, so that its factor can be skipped."""
    return bool((value == 0).all()) if isinstance(value, Tensor) else value == 0


def least(value: Any) -> float:
    """The smallest value of a hyperparameter over the pack."""
    return float(value.min()) if isinstance(value, Tensor) else getattr(value, "least", value)


def softplus(x: Tensor) -> Tensor:
    """-log(sigmoid(-x)), without losing digits in either tail."""
    return functional.softplus(x, threshold=SOFTPLUS_IS_LINEAR)


def is_whole(exponent: Any) -> bool:
    """True for a plain number 1, 2, ... small enough that multiplying is faster than exp and log."""
    return isinstance(exponent, int | float) and float(exponent).is_integer() and 1 <= exponent <= LARGEST_WHOLE


def power(base: Tensor, exponent: Number) -> Tensor:
    """base ** exponent for base >= 0, exponent >= 0, with 0 ** 0 = 1. Faster than torch.pow."""
    if is_whole(exponent):
        half = power(base, exponent // 2) if exponent > 1 else None
        square = base if half is None else half * half
        return square * base if half is not None and exponent % 2 else square
    return base * 0 + 1 if is_zero(exponent) else broken_power(base, exponent)


def broken_power(base: Tensor, exponent: Number) -> Tensor:
    """The same by exp and log, which are many times slower at 0 and where their result is a subnormal number."""
    if torch.overrides.has_torch_function_unary(base):  # a compiled kernel has its own exp and log
        return torch.overrides.handle_torch_function(broken_power, (base,), base, exponent)
    tiny = 1.5 * torch.finfo(base.dtype).tiny
    log = torch.threshold_(base.clamp_min(tiny).log_(), math.log(tiny) * (1 - 1e-6), LOG_ZERO)
    return torch.threshold_((exponent * log).clamp_min_(math.log(tiny)).exp_(), tiny * (1 + 1e-3), 0.0)


def sigmoid_power(x: Tensor, exponent: Number) -> Tensor:
    """sigmoid(x) ** exponent, without losing digits in either tail."""
    return power(torch.sigmoid(x), exponent) if is_whole(exponent) else torch.exp(-exponent * softplus(-x))


def focus_positive(x: Tensor, gamma: Number, bracket: Side, focusing: str) -> Side:
    """q^gamma times a bracket; with focusing "held" the weight is a constant for the gradient."""
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
    """P = max(p - clip, 0). Never forms log(q + m) near P = 0, where its digits are lost."""
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
    """base^gamma times a bracket; `d_base` is the derivative of the base by the logit, 0 where the base is floored."""
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
