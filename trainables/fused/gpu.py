"""The fused path of a GPU: torch.compile of the same closed forms. It compiles for a CPU too, which tests use.

A GPU has no C compiler of ours, and there torch.compile pays: a chain of some thirty kernels becomes one. Positives are
not picked out: both sides are computed everywhere, since finding them would make the GPU wait.
"""

import types
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from evenkeel.trainables.fused.path import Faster, Means, Step, agree, small_batch
from evenkeel.trainables.losses.entrywise import (
    ASK_HYPERPARAMETERS,
    EntryLoss,
    at_least_single,
    check_batch,
    dense_sides,
)


@dataclass(frozen=True, eq=False)
class Compiled(Faster):
    """A loss whose means and their slopes are one compiled function."""

    step: Step
    path: ClassVar[str] = "compiled"

    def means(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the entries of each batch, [...]."""
        check_batch(logits, targets)
        return Means.apply(self.loss.rescaled(logits), targets, self.step)


def compiled_by_torch(loss: EntryLoss, device: str, backend: str = "inductor") -> Compiled | None:
    """`loss` compiled for `device`, or None: no compiler there, a loss it cannot read, another result than eagerly."""
    compiled = Compiled(loss, torch.compile(_step(loss), fullgraph=True, dynamic=False, backend=backend))
    tensors = [value for f in fields(loss) if isinstance(value := getattr(loss, f.name), Tensor)]  # type: ignore[arg-type]
    try:
        batch = small_batch(loss, (tensor.shape for tensor in tensors), device)
        return compiled if agree(compiled.means, lambda x, y: loss(x, y).mean((-2, -1)), *batch) else None
    except Exception:  # a user's loss, the compiler and its own compiler may raise anything
        return None


def _step(loss: EntryLoss) -> Step:
    def step(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = dense_sides(loss, at_least_single(logits), targets)
        num_entries = logits.shape[-2] * logits.shape[-1]
        return value.mean((-2, -1)), (slope / num_entries).to(logits.dtype)

    for ask in ASK_HYPERPARAMETERS:
        torch.compiler.assume_constant_result(ask)
    own_code = step.__code__.replace()  # the compiler counts its attempts by code object: losses must not share one
    return types.FunctionType(own_code, step.__globals__, step.__name__, closure=step.__closure__)
