"""The fused path: a loss as one compiled pass over the entries. The eager path is its reference and its fallback."""

import os
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.fused.compile import NoCompiler, compiled
from trainables.fused.trace import Formula, NotTraceable, trace
from trainables.losses._entries import check_batch

KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.uint8: 2, torch.bool: 2}
ENTRIES_PER_THREAD = 1 << 15
SWITCH = "EVENKEEL_FUSED"
MAXIMUM_BYTES = 32
"""Of the struct `maximum` in _kernel.c."""


def fuse(loss: Any) -> Any:
    """`loss` with a compiled path for float32 and bfloat16 logits on a CPU, or `loss` itself where there is none.

    Not fused: a loss without closed slopes, no C compiler, EVENKEEL_FUSED=0. Values and gradients agree with the eager
    path to float32 rounding.
    """
    if os.environ.get(SWITCH) == "0":
        return loss
    try:
        formula = trace(loss)
        fused = Fused(loss, formula, compiled(formula))
    except (NotTraceable, NoCompiler, AttributeError, TypeError, ValueError):  # a user's loss may do anything
        return loss
    return fused if _agrees(fused) else loss


def _agrees(fused: "Fused") -> bool:
    """Whether kernel and eager path give the same for a small batch: a loss may do more than its sides say."""
    shapes = [t.shape for t in fused.formula.graph.inputs if isinstance(t, Tensor)]
    *lead, _, num_classes = np.broadcast_shapes(*shapes, (1, len(getattr(fused.loss, "counts", None) or (1, 1, 1))))
    logits = torch.linspace(-5, 4, 4 * num_classes).view(4, -1).expand(*lead, 4, num_classes).contiguous()
    targets = torch.eye(4, num_classes)
    if fused.plan(logits, targets) is None:
        return True

    def run(path: Any) -> tuple[Tensor, Tensor]:
        x = logits.clone().requires_grad_()
        with torch.enable_grad():
            values = path(x, targets)
            (gradient,) = torch.autograd.grad(values.sum(), x)
        return values.detach(), gradient

    return all(
        torch.allclose(ours, eager.float(), rtol=1e-3, atol=1e-4 * max(1.0, float(eager.abs().max())), equal_nan=True)
        for ours, eager in zip(run(fused), run(fused.loss), strict=True)
    )


def path_of(loss: Any) -> str:
    """Which path a loss takes: fused or eager."""
    return "fused" if isinstance(loss, Fused) else "eager"


def means(loss: Any, logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the entries of each batch, [...], as a training step needs it; a fused loss keeps no entries."""
    if isinstance(loss, Fused) and (plan := loss.plan(logits, targets)):
        return _Means.apply(logits, targets, loss, plan)
    return loss(logits, targets).mean((-2, -1))


@dataclass(frozen=True, eq=False)
class Fused:
    """A loss that runs its kernel where it can, and else the loss it was made of."""

    loss: Any
    formula: Formula
    kernel: Any
    plans: dict[tuple, "_Plan | None"] = field(default_factory=dict)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], in float32."""
        check_batch(logits, targets)
        plan = self.plan(logits, targets)
        return self.loss(logits, targets) if plan is None else _Entries.apply(logits, targets, self, plan)

    def plan(self, logits: Tensor, targets: Tensor) -> "_Plan | None":
        """How the kernel goes through tensors of these shapes, strides and types; None if it cannot."""
        if torch.compiler.is_compiling() or torch._C._functorch.maybe_current_level() is not None:
            return None
        key = (logits.shape, logits.stride(), logits.dtype, targets.shape, targets.stride(), targets.dtype)
        if key not in self.plans:
            self.plans[key] = _plan(self, logits, targets)
        return self.plans[key]

    def run(self, plan: "_Plan", x: Tensor, targets: Tensor, *, mean: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """(values [..., B, C] or means [...], slopes [..., B, C], scale of the logits if the loss has one).

        Slopes of means are derivatives of the mean by the logits, in the type of `x`; those of values are taken at a
        constant scale.
        """
        pointers = plan.pointers[:]
        pointers[0], pointers[1] = x.data_ptr(), targets.data_ptr()
        at, kernel = plan.means_at if mean else plan.entries_at, self.kernel
        addresses = pointers.buffer_info()[0]
        if plan.row_at:
            row = self.loss._row(targets, plan.of_classes)
            pointers[plan.row_at] = row.data_ptr()
        scales, floor, scales_at, maxima_at = None, 0.0, None, [None] * plan.num_parts
        if plan.per_scale_at:
            maxima = torch.zeros(plan.num_parts, plan.num_trials, MAXIMUM_BYTES, dtype=torch.uint8)
            scales, floor = torch.empty(2, plan.num_trials), self.loss._scale_floor
            scales_at, maxima_at = scales.data_ptr(), [m.data_ptr() for m in maxima]
            pointers[plan.per_scale_at] = scales_at
            if not plan.is_trial_by_trial:
                plan.each_part(lambda j, rows: kernel.find_largest(*rows, at, addresses, maxima_at[j]))
                kernel.agree_on_scales(0, plan.num_trials, plan.num_parts, at, maxima_at[0], floor, scales_at)
        slope = torch.empty_strided(x.shape, plan.strides, dtype=x.dtype if mean else torch.float32)
        result = torch.empty(x.shape[:-2]) if mean else torch.empty_strided(x.shape, plan.strides)
        sums = torch.zeros((plan.num_parts, plan.num_trials), dtype=torch.float64)
        factor = plan.num_trials / x.numel() if mean else 1.0
        slopes_at, sums_at = slope.data_ptr(), sums.data_ptr()
        values_at = None if mean else result.data_ptr()
        means_at = result.data_ptr() if mean and plan.num_parts == 1 else None
        run, per_part = kernel.run, 8 * plan.num_trials  # bytes
        shared = scales_at, slopes_at, factor
        plan.each_part(
            lambda j, rows: run(
                *rows, at, addresses, values_at, sums_at + per_part * j, means_at, maxima_at[j], floor, *shared
            )
        )
        if not mean:
            return result, slope, None if scales is None else scales[1].view(*x.shape[:-2], 1, 1)
        if means_at is None:
            result.view(-1).copy_(sums.sum(0))
        if scales is not None:
            kernel.slope_of_scales(plan.num_parts, at, addresses, maxima_at[0], slopes_at)
        return result, slope, None


@dataclass(frozen=True, eq=False)
class _Plan:
    """Addresses and strides that every call with tensors of one kind shares."""

    num_trials: int
    strides: tuple[int, ...]
    bounds: list[int]
    pointers: "array[int]"
    entries_at: int
    means_at: int
    per_scale_at: int
    row_at: int
    of_classes: Tensor | None
    is_trial_by_trial: bool
    keep: tuple
    """What the addresses point to."""

    @property
    def num_parts(self) -> int:
        return len(self.bounds) - 1

    def each_part(self, work: Callable[[int, list[int]], None]) -> None:
        """Call work(part, its rows) for every part, side by side."""
        others = [_threads().submit(work, j, self.bounds[j : j + 2]) for j in range(1, self.num_parts)]
        work(0, self.bounds[0:2])
        for other in others:
            other.result()


def _plan(fused: Fused, x: Tensor, targets: Tensor) -> _Plan | None:
    shape = x.shape
    names_or_tensors = [fused.formula.graph.inputs[number] for number in fused.formula.inputs]
    tensors = [t for t in fused.formula.graph.inputs if isinstance(t, Tensor)]
    if (
        x.dtype not in (torch.float32, torch.bfloat16)
        or targets.dtype not in KINDS
        or not x.device.type == targets.device.type == "cpu"
        or x.dim() not in (2, 3)
        or x.stride(-1) != 1
        or x.numel() == 0
        or any(not _broadcasts(t.shape, shape) for t in (targets, *tensors))
    ):
        return None
    trials, _, classes = cube = (1, *shape) if x.dim() == 2 else tuple(shape)
    known = {"per_scale": torch.empty(*shape[:-2], 1, 1), "row": torch.empty(*targets.shape[:-1], 1)}
    inputs = [known[t] if isinstance(t, str) else t.float().contiguous() for t in names_or_tensors]
    places = {t: 2 + place for place, t in enumerate(names_or_tensors) if isinstance(t, str)}
    views = [t.expand(cube) for t in (x, targets, *inputs)]
    strides = torch.empty_like(x, dtype=torch.float32).stride()
    out = strides if x.dim() == 3 else (0, *strides)
    outer, inner = (1, 0) if out[0] < out[1] and (trials > 1 or classes >= 512) else (0, 1)
    operands = np.array([(KINDS[v.dtype], v.stride(outer), v.stride(inner), v.stride(2)) for v in views], np.int64)
    parameters = np.array([*fused.formula.graph.parameters, 0.0], np.float32)
    num = max(1, min(torch.get_num_threads(), cube[outer], x.numel() // ENTRIES_PER_THREAD))
    steps = (out[outer], out[inner], int(outer == 0), int(inner == 0 and trials > 1))
    addresses = (operands.ctypes.data, parameters.ctypes.data)
    entries, of_means = (
        np.array([cube[outer], cube[inner], classes, trials, KINDS[dtype], *steps, *addresses], np.int64)
        for dtype in (torch.float32, x.dtype)
    )
    return _Plan(
        num_trials=trials,
        strides=strides,
        bounds=[cube[outer] * i // num for i in range(num + 1)],
        pointers=array("Q", [v.data_ptr() for v in views]),
        entries_at=entries.ctypes.data,
        means_at=of_means.ctypes.data,
        per_scale_at=places.get("per_scale", 0),
        row_at=places.get("row", 0),
        of_classes=fused.loss._of_classes(torch.empty(0)) if "row" in places else None,
        is_trial_by_trial=outer == 0,
        keep=(operands, parameters, entries, of_means, *inputs),
    )


def _broadcasts(shape: torch.Size, to: torch.Size) -> bool:
    """Whether `shape` can be expanded to `to` (torch.broadcast_shapes would import a computer algebra system)."""
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="fused")


class _Entries(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, targets: Tensor, fused: Fused, plan: _Plan) -> Tensor:
        value, slope, scale = fused.run(plan, x, targets, mean=False)
        ctx.dtype = x.dtype
        ctx.save_for_backward(slope, *(() if scale is None else (x, scale)))
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        slope, *scaled = ctx.saved_tensors
        gradient = grads[0] * slope
        if scaled:
            _through_the_maximum(gradient, *scaled)
        return gradient.to(ctx.dtype), None, None, None


class _Means(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, targets: Tensor, fused: Fused, plan: _Plan) -> Tensor:
        value, slope, _ = fused.run(plan, x, targets, mean=True)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        grad = grads[0]
        is_one = grad.item() == 1 if grad.numel() == 1 else bool((grad == 1).all())
        return slope if is_one else slope * grad[..., None, None].to(slope.dtype), None, None, None


def _through_the_maximum(gradient: Tensor, x: Tensor, scale: Tensor) -> None:
    """Add what the entries at the batch maximum get, since all entries are divided by it; ties share."""
    at = x == scale
    num = at.sum((-2, -1), keepdim=True)
    total = (gradient.float() * x).sum((-2, -1), keepdim=True) / scale
    gradient.sub_((at * (total / num.clamp_min(1))).to(gradient.dtype))
