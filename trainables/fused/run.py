"""The fused path of a CPU: a loss as one compiled pass over the entries, in as many threads as torch has."""

from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.fused.compile import NoCompiler, compiled
from evenkeel.trainables.fused.path import Faster, Means, agree, small_batch
from evenkeel.trainables.fused.trace import Formula, NotTraceable, trace
from evenkeel.trainables.losses.entrywise import EntryLoss, check_batch

KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.uint8: 2, torch.bool: 2}
ENTRIES_PER_THREAD = 1 << 15


def with_kernel(loss: EntryLoss) -> "Fused | None":
    """`loss` with its kernel, or None: no formula to read, no C compiler, another result than eagerly."""
    try:
        formula = trace(loss)
        fused = Fused(loss, formula, compiled(formula))
    except (NotTraceable, NoCompiler, AttributeError, TypeError, ValueError):  # a user's loss may do anything
        return None
    tensors = [t for t in formula.graph.inputs if isinstance(t, Tensor)]
    batch = small_batch(loss, (tensor.shape for tensor in tensors), "cpu")
    return fused if fused.plan(*batch) is None or agree(fused, loss, *batch) else None


@dataclass(frozen=True, eq=False)
class Fused(Faster):
    """A loss that runs its kernel where it can, and else the loss it was made of."""

    formula: Formula
    kernel: Any
    path: ClassVar[str] = "fused"
    plans: dict[tuple, "_Plan | None"] = field(default_factory=dict)

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of each entry, [..., B, C], in float32."""
        check_batch(logits, targets)
        x = self.loss.rescaled(logits)
        plan = self.plan(x, targets)
        return self.loss(logits, targets) if plan is None else _FusedEntries.apply(x, targets, self, plan)

    def means(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the entries of each batch, [...]."""
        x = self.loss.rescaled(logits)
        plan = self.plan(x, targets)
        if plan is None:
            return super().means(logits, targets)
        return Means.apply(x, targets, lambda a, b: self.run(plan, a, b, mean=True))

    def plan(self, logits: Tensor, targets: Tensor) -> "_Plan | None":
        """How the kernel goes through tensors of these shapes, strides and types; None if it cannot."""
        if torch.compiler.is_compiling() or torch._C._functorch.maybe_current_level() is not None:
            return None
        key = (logits.shape, logits.stride(), logits.dtype, targets.shape, targets.stride(), targets.dtype)
        if key not in self.plans:
            self.plans[key] = _plan(self, logits, targets)
        return self.plans[key]

    def run(self, plan: "_Plan", x: Tensor, targets: Tensor, *, mean: bool) -> tuple[Tensor, Tensor]:
        """(values [..., B, C] or means [...], slopes [..., B, C]); slopes of means are in the type of `x`."""
        pointers = plan.pointers[:]
        pointers[0], pointers[1] = x.data_ptr(), targets.data_ptr()
        if plan.row_at:
            row = self.loss.of_row(targets, plan.of_classes)
            pointers[plan.row_at] = row.data_ptr()
        slope = torch.empty_strided(x.shape, plan.strides, dtype=x.dtype if mean else torch.float32)
        result = torch.empty(x.shape[:-2]) if mean else torch.empty_strided(x.shape, plan.strides)
        sums = torch.zeros((plan.num_parts, plan.num_trials), dtype=torch.float64)
        factor = plan.num_trials / x.numel() if mean else 1.0
        layout, addresses = plan.means_at if mean else plan.entries_at, pointers.buffer_info()[0]
        slopes_at, sums_at = slope.data_ptr(), sums.data_ptr()
        values_at = None if mean else result.data_ptr()
        means_at = result.data_ptr() if mean and plan.num_parts == 1 else None
        run, per_part = self.kernel.run, 8 * plan.num_trials  # bytes
        plan.each_part(
            lambda j, rows: run(
                *rows, layout, addresses, values_at, sums_at + per_part * j, means_at, slopes_at, factor
            )
        )
        if mean and means_at is None:
            result.view(-1).copy_(sums.sum(0))
        return result, slope


@dataclass(frozen=True, eq=False)
class _Plan:
    """Addresses and strides that every call with tensors of one kind shares."""

    num_trials: int
    strides: tuple[int, ...]
    bounds: list[int]
    pointers: "array[int]"
    entries_at: int
    means_at: int
    row_at: int
    of_classes: Tensor
    keep: tuple
    """What the addresses point to."""

    @property
    def num_parts(self) -> int:
        return len(self.bounds) - 1

    def each_part(self, work: Callable[[int, list[int]], None]) -> None:
        """Call work(part, its rows) for every part, side by side."""
        futures = [_threads().submit(work, j, self.bounds[j : j + 2]) for j in range(1, self.num_parts)]
        work(0, self.bounds[0:2])
        for future in futures:
            future.result()


def _plan(fused: Fused, x: Tensor, targets: Tensor) -> _Plan | None:
    shape = x.shape
    sources = [fused.formula.graph.inputs[number] for number in fused.formula.inputs]
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
    row = torch.empty(*targets.shape[:-1], 1)
    inputs = [row if isinstance(t, str) else t.float().contiguous() for t in sources]
    row_at = next((2 + place for place, t in enumerate(sources) if isinstance(t, str)), 0)
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
        row_at=row_at,
        of_classes=fused.loss.of_classes(torch.empty(0)) if row_at else torch.empty(0),
        keep=(operands, parameters, entries, of_means, *inputs),
    )


def _broadcasts(shape: torch.Size, target: torch.Size) -> bool:
    """Whether `shape` can be expanded to `target` (torch.broadcast_shapes would import a computer algebra system)."""
    return len(shape) <= len(target) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(target), strict=False)
    )


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="fused")


class _FusedEntries(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, targets: Tensor, fused: Fused, plan: _Plan) -> Tensor:
        value, slope = fused.run(plan, x, targets, mean=False)
        ctx.dtype = x.dtype
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return (grads[0] * slope).to(ctx.dtype), None, None, None
