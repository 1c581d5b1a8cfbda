"""A compiler of entrywise losses: C on a CPU, torch.compile on a GPU. What it cannot compile runs eagerly."""

import os
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.fused.path import Faster
from evenkeel.trainables.losses.entrywise import EntryLoss

__all__ = ["fuse", "means", "path_of"]

SWITCH = "EVENKEEL_FUSED"


def fuse(loss: Any, device: str = "cpu") -> Any:
    """`loss` with a compiled path on `device`, or `loss` itself where there is none.

    Not fused: a loss without closed slopes, no compiler, a result that is not the eager one on a small batch,
    EVENKEEL_FUSED=0. On a CPU for float32 and bfloat16 logits; the eager path serves the rest and is the reference, met
    to float32 rounding.
    """
    if os.environ.get(SWITCH) == "0" or not isinstance(loss, EntryLoss):
        return loss
    faster: Faster | None = None
    if device == "cpu":
        from evenkeel.trainables.fused.run import with_kernel

        faster = with_kernel(loss)
    elif device.startswith("cuda"):
        from evenkeel.trainables.fused.gpu import compiled_by_torch

        faster = compiled_by_torch(loss, device)
    return faster or loss


def path_of(loss: Any) -> str:
    """Which path a loss takes: fused (a kernel on a CPU), compiled (torch.compile on a GPU) or eager."""
    return loss.path if isinstance(loss, Faster) else "eager"


def means(loss: Any, logits: Tensor, targets: Tensor, label_mask: Tensor | None = None) -> Tensor:
    """Mean over the entries of each batch, [...], as a training step needs it; a faster path keeps no entries.

    `label_mask` [B, C] leaves entries out whose label is missing.
    """
    if label_mask is not None:
        return torch.where(label_mask, loss(logits, targets), 0.0).sum((-2, -1)) / label_mask.sum().clamp_min(1)
    return loss.means(logits, targets) if isinstance(loss, Faster) else loss(logits, targets).mean((-2, -1))
