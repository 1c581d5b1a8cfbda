"""The fused path: a loss as one compiled pass over the entries. The eager path is its reference and its fallback."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.losses._entries import check_batch
from trainables.losses._kernel import NoCompiler, compiled
from trainables.losses._trace import Formula, NotTraceable, trace

KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.uint8: 2, torch.bool: 2}
ENTRIES_PER_THREAD = 1 << 15
SWITCH = "EVENKEEL_FUSED"


def fuse(loss: Any) -> Any:
    """`loss` with a compiled path for float32 and bfloat16 logits on a CPU, or `loss` itself where there is none.

    Not fused: a loss without closed slopes, no C compiler, EVENKEEL_FUSED=0. Values and gradients agree with the eager
    path to float32 rounding.
    """
    if os.environ.get(SWITCH) == "0":
        return loss
    try:
        formula = trace(loss)
        return Fused(loss, formula, compiled(formula))
    except (NotTraceable, NoCompiler):
        return loss


def path_of(loss: Any) -> str:
    """Which path a loss takes: fused or eager."""
    return "fused" if isinstance(loss, Fused) else "eager"


def means(loss: Any, logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the entries of each batch, [...], as a training step needs it; a fused loss keeps no entries."""
    if isinstance(loss, Fused) and loss.fits(logits, targets):
        return _Means.apply(logits, targets, loss)
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
        if not self.fits(logits, targets):
            return self.loss(logits, targets)
        return _Entries.apply(logits, targets, self)

    def fits(self, logits: Tensor, targets: Tensor) -> bool:
        """Whether the kernel can take these tensors."""
        if torch.compiler.is_compiling() or torch._C._functorch.maybe_current_level() is not None:
            return False
        return self.plan(logits, targets) is not None

    def plan(self, logits: Tensor, targets: Tensor) -> "_Plan | None":
        """How the kernel goes through tensors of these shapes, strides and types; None if it cannot."""
        key = (logits.shape, logits.stride(), logits.dtype, targets.shape, targets.stride(), targets.dtype)
        if key not in self.plans:
            self.plans[key] = _plan(self, logits, targets)
        return self.plans[key]

    def run(self, x: Tensor, targets: Tensor, *, mean: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """(values [..., B, C] or means [...], slopes [..., B, C], scale of the logits if the loss has one).

        Slopes of means are derivatives of the mean, in the type of `x`.
        """
        plan = self.plan(x, targets)
        assert plan is not None
        scale = self.loss._scale(x).float() if hasattr(self.loss, "_scale") else None
        row = self.loss._row(plan.like, targets) if "row" in self.formula.graph.inputs else None
        pointers = plan.pointers.copy()
        pointers[:2] = x.data_ptr(), targets.data_ptr()
        for number, tensor in ((plan.scale_at, scale), (plan.row_at, row)):
            if tensor is not None:
                pointers[number] = tensor.data_ptr()
        slope = torch.empty_strided(x.shape, plan.strides, dtype=x.dtype if mean else torch.float32)
        value = None if mean else torch.empty_strided(x.shape, plan.strides)
        sums = np.zeros((plan.num_parts, plan.num_trials))
        factor = plan.num_trials / x.numel() if mean else 1.0
        layout = plan.of_means if mean else plan.of_entries

        def part(number: int) -> None:
            self.kernel(
                plan.bounds[number], plan.bounds[number + 1], layout.ctypes.data, pointers.ctypes.data,
                None if value is None else value.data_ptr(), sums[number].ctypes.data, slope.data_ptr(), factor,
            )  # fmt: skip

        others = [_threads().submit(part, number) for number in range(1, plan.num_parts)]
        part(0)
        for other in others:
            other.result()
        if value is None:
            value = torch.from_numpy(sums.sum(0) * factor).float().view(x.shape[:-2])
        return value, slope, scale


@dataclass(frozen=True, eq=False)
class _Plan:
    num_trials: int
    strides: tuple[int, ...]
    bounds: list[int]
    pointers: np.ndarray
    of_entries: np.ndarray
    of_means: np.ndarray
    scale_at: int
    row_at: int
    like: Tensor
    keep: tuple
    """What the pointers point to."""

    @property
    def num_parts(self) -> int:
        return len(self.bounds) - 1


def _plan(fused: Fused, x: Tensor, targets: Tensor) -> _Plan | None:
    graph, shape = fused.formula.graph, x.shape
    tensors = [t for t in graph.inputs if isinstance(t, Tensor)]
    if (
        x.dtype not in (torch.float32, torch.bfloat16)
        or targets.dtype not in KINDS
        or not x.device.type == targets.device.type == "cpu"
        or x.dim() not in (2, 3)
        or x.stride(-1) != 1
        or x.numel() == 0
        or any(torch.broadcast_shapes(shape, t.shape) != shape for t in (targets, *tensors))
    ):
        return None
    trials, rows, classes = cube = (1, *shape) if x.dim() == 2 else tuple(shape)
    row = torch.empty(*targets.shape[:-1], 1)
    known = {"scale": torch.empty(*shape[:-2], 1, 1), "row": row}
    inputs = [known[t] if isinstance(t, str) else t.float().contiguous() for t in graph.inputs]
    views = [t.expand(cube) for t in (x, targets, *inputs)]
    strides = torch.empty_like(x, dtype=torch.float32).stride()
    out = strides if x.dim() == 3 else (0, *strides)
    outer, inner = (1, 0) if out[0] < out[1] and (trials > 1 or classes >= 512) else (0, 1)
    operands = np.array([(KINDS[v.dtype], v.stride(outer), v.stride(inner), v.stride(2)) for v in views], np.int64)
    parameters = np.array([*graph.parameters, 0.0], np.float32)
    num = max(1, min(torch.get_num_threads(), cube[outer], x.numel() // ENTRIES_PER_THREAD))

    def layout(kind: int) -> np.ndarray:
        steps = (out[outer], out[inner], int(outer == 0), int(inner == 0))
        addresses = (operands.ctypes.data, parameters.ctypes.data)
        return np.array([cube[inner], classes, kind, *steps, *addresses], np.int64)

    return _Plan(
        num_trials=trials,
        strides=strides,
        bounds=[cube[outer] * i // num for i in range(num + 1)],
        pointers=np.array([v.data_ptr() for v in views], np.uint64),
        of_entries=layout(KINDS[torch.float32]),
        of_means=layout(KINDS[x.dtype]),
        scale_at=2 + graph.inputs.index("scale") if "scale" in graph.inputs else 0,
        row_at=2 + graph.inputs.index("row") if "row" in graph.inputs else 0,
        like=torch.empty(0),
        keep=(operands, parameters, *inputs),
    )


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="fused")


class _Entries(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, targets: Tensor, fused: Fused) -> Tensor:
        value, slope, scale = fused.run(x, targets, mean=False)
        ctx.dtype = x.dtype
        ctx.save_for_backward(slope, *(() if scale is None else (x, scale)))
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        slope, *scaled = ctx.saved_tensors
        gradient = grads[0] * slope
        if scaled:
            _through_the_maximum(gradient, *scaled)
        return gradient.to(ctx.dtype), None, None


class _Means(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, targets: Tensor, fused: Fused) -> Tensor:
        value, slope, scale = fused.run(x, targets, mean=True)
        if scale is not None:
            _through_the_maximum(slope, x, scale)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        grad = grads[0]
        return slope if bool((grad == 1).all()) else slope * grad[..., None, None].to(slope.dtype), None, None


def _through_the_maximum(gradient: Tensor, x: Tensor, scale: Tensor) -> None:
    """Add what the entries at the batch maximum get, since all entries are divided by it; ties share."""
    at = x == scale
    num = at.sum((-2, -1), keepdim=True)
    total = (gradient.float() * x).sum((-2, -1), keepdim=True) / scale
    gradient.sub_((at * (total / num.clamp_min(1))).to(gradient.dtype))
