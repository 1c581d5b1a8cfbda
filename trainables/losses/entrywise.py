"""What a loss is, and how the entrywise ones run: value and derivative together, in one pass without autograd graph.

Only the derivative is kept for the backward pass. In long-tailed multi-label data few entries are positive, so the
negative side is computed everywhere and the positive side only where a target is 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.losses._stable import Side, is_zero, least, scaled

ENTRIES_AT_ONCE = 1 << 17
ASK_HYPERPARAMETERS = (is_zero, least)
"""Functions that look at the values of hyperparameters and never at entries: constants for a compiler."""

Rule = tuple[str, Callable[[Any], bool]]
AT_LEAST_0: Rule = ("be >= 0", lambda value: value >= 0)
ABOVE_0: Rule = ("be > 0", lambda value: value > 0)
UNIT: Rule = ("lie in [0, 1)", lambda value: 0 <= value < 1)


def one_of(*options: str) -> Rule:
    """The rule of a named choice."""
    return f"be one of {', '.join(options)}", lambda value: value in options


FOCUSING = one_of("full", "held")


class Loss:
    """Base of all losses here: a frozen dataclass whose fields are its hyperparameters.

    Raises ValueError for a number or name outside of its `domain`.
    """

    domain: ClassVar[dict[str, Rule]] = {}
    """What numbers and names must keep to; tensors were checked by their space when planned."""

    def __post_init__(self) -> None:
        for name, (rule, holds) in self.domain.items():
            value = getattr(self, name)
            if not (isinstance(value, Tensor) or value is None or holds(value)):
                raise ValueError(f"{name} must {rule}, got {value!r}")

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it computes")

    def at(self, progress: float) -> "Loss":
        """The loss to use at `progress` in [0, 1) of the training; most do not change."""
        return self

    def log_odds(self, logits: Tensor) -> Tensor:
        """Logits whose sigmoid is the probability that the loss trains, [..., B, C]."""
        return logits


@dataclass(frozen=True)
class Places:
    """Which classes the entries handed to `positive` belong to: all [..., B, C], or a list of M as [..., M, 1]."""

    num_classes: int
    columns: Tensor | None = None

    def per_class(self, values: Tensor) -> Tensor:
        """Values of each class, [..., 1, C], laid beside the entries."""
        return values if self.columns is None else values[..., self.columns].transpose(-1, -2)


class EntryLoss(Loss):
    """A loss that states value and slope of each entry in closed form; all but its two sides is optional.

    Every method gets logits in float32 or float64 and must be arithmetic on tensors: a compiler may read it.
    """

    makes_weights: ClassVar[tuple[str, ...]] = ()
    """Hyperparameters that only make class weights: a pack keeps them in double precision."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], for logits and 0/1 targets [..., B, C]."""
        return entrywise(self, logits, targets)

    def positive(self, x: Tensor, places: Places) -> Side:
        """Value and slope by x of entries whose target is 1, in the shape of `x`: what `places` says."""
        raise NotImplementedError(f"{type(self).__name__} has no positive side")

    def negative(self, x: Tensor, places: Places) -> Side:
        """Value and slope by x of entries whose target is 0, in the shape of `x`."""
        raise NotImplementedError(f"{type(self).__name__} has no negative side")

    def rescaled(self, logits: Tensor) -> Tensor:
        """The logits that the two sides take, [..., B, C], differentiated by autograd."""
        return logits

    def entry_weights(self, template: Tensor, row: Tensor | None) -> Tensor | None:
        """Factors of the entries, broadcast to [..., B, C], constant for the gradient; `row` is what `of_row` gave."""
        return None

    @property
    def needs_row(self) -> bool:
        """Whether the weights of an entry depend on the other targets of its row."""
        return False

    def of_row(self, targets: Tensor, of_classes: Tensor) -> Tensor:
        """What the weights need of each row, [..., B, 1]."""
        raise NotImplementedError(f"{type(self).__name__} needs no row")

    def of_classes(self, template: Tensor) -> Tensor:
        """What `of_row` needs of the classes, [C]."""
        raise NotImplementedError(f"{type(self).__name__} needs no row")


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
    """Value and slope of every entry [..., B, C], both sides computed everywhere: no step depends on the data."""
    everywhere, is_positive = Places(x.shape[-1]), targets > 0.5
    sides = zip(loss.positive(x, everywhere), loss.negative(x, everywhere), strict=True)
    return _weighed(loss, x, targets, Side(*(torch.where(is_positive, p, n) for p, n in sides)))


def sparse_sides(loss: EntryLoss, x: Tensor, targets: Tensor) -> Side:
    """The same for one matrix of targets [B, C]: the positive side is computed only where a target is 1."""
    rows, columns = _positives(targets)
    positive = loss.positive(x[..., rows, columns].unsqueeze(-1), Places(x.shape[-1], columns))
    negative = loss.negative(x, Places(x.shape[-1]))
    merged = Side(*(_with(n, rows, columns, p) for n, p in zip(negative, positive, strict=True)))
    return _weighed(loss, x, targets, merged)


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
    row = loss.of_row(targets, loss.of_classes(x)) if loss.needs_row else None
    weights = loss.entry_weights(x, row)
    return side if weights is None else scaled(side, weights)


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
    return _Entries.apply(loss.rescaled(at_least_single(logits)), targets, loss)[0]


def at_least_single(logits: Tensor) -> Tensor:
    """Half-precision logits in float32, in their shape; others as they are."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def check_batch(logits: Tensor, targets: Tensor) -> None:
    """Raise ValueError unless logits and targets are non-empty and both end in [B, C]."""
    if logits.dim() < 2 or logits.shape[-2:] != targets.shape[-2:]:
        raise ValueError(
            f"logits and targets must both end in [B, C], got {tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    if logits.numel() == 0:
        raise ValueError(f"logits must not be empty, got shape {tuple(logits.shape)}; skip empty batches")
