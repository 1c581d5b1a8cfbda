"""Heads of a whole pack: K heads over one batch of features, one matrix product. Letters: K, B rows, D, H, C."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from evenkeel.trainables.random_streams import stream_seed

LEAST_COLUMNS = 32
"""Products of fewer columns round in their own way on some CPUs (fewer than 12 on an AMD EPYC)."""


class _Affine(torch.autograd.Function):
    """features [B, D] weight [D, N] + bias [N], rounded alike whatever columns stand beside: no number
    may depend on the pack. So the slope of the bias is a product too (a sum over rows rounds by N), and none is narrow.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        return torch.addmm(_padded(bias), features, _padded(weight))[:, : len(bias)]

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[None, Tensor, Tensor]:
        (features,), num = ctx.saved_tensors, slopes[0].shape[1]
        slope = _padded(slopes[0])
        of_bias = slope.new_ones(1, len(slope)).mm(slope)[0, :num]
        return None, features.t().mm(slope)[:, :num].contiguous(), of_bias


def _padded(columns: Tensor) -> Tensor:
    missing = LEAST_COLUMNS - columns.shape[-1]
    return functional.pad(columns, (0, missing)) if missing > 0 else columns


class Head(Protocol):
    """A stack of K heads; parameters carry the pack along their last or first axis."""

    def parameters(self) -> list[Tensor]:
        """What is trained, in the shapes that the class names."""
        ...

    def logits(self, features_BD: Tensor) -> Tensor:
        """[K, B, C]"""
        ...


@dataclass
class LinearHead:
    """weight [D, K * C], bias [K * C]: the pack shares its features, so K heads are one wide matrix product."""

    weight: Tensor
    bias: Tensor
    num_trials: int

    def parameters(self) -> list[Tensor]:
        return [self.weight, self.bias]

    def logits(self, features_BD: Tensor) -> Tensor:
        wide = _Affine.apply(features_BD, self.weight, self.bias)
        return wide.view(len(features_BD), self.num_trials, -1).transpose(0, 1)


@dataclass
class HiddenHead:
    """A hidden layer of H rectified units: weight_in [D, K * H], bias_in, weight_out [K, H, C], bias_out [K, 1, C]."""

    weight_in: Tensor
    bias_in: Tensor
    weight_out: Tensor
    bias_out: Tensor

    def parameters(self) -> list[Tensor]:
        return [self.weight_in, self.bias_in, self.weight_out, self.bias_out]

    def logits(self, features_BD: Tensor) -> Tensor:
        num_trials = len(self.weight_out)
        hidden = _Affine.apply(features_BD, self.weight_in, self.bias_in).relu()
        hidden_KBH = hidden.view(len(features_BD), num_trials, -1).transpose(0, 1)
        return torch.baddbmm(self.bias_out, hidden_KBH, self.weight_out)


def make_head(*, dimension: int, bias: Tensor, num_trials: int, hidden: int, seed: int, reference: Tensor) -> Head:
    """K equal heads, initialised from `seed` and `bias` [C] alone: every trial of a seed starts at the same point.

    `dimension` D of the features, `hidden` units (0: linear). Parameters get type and device of `reference`.
    """
    generator = torch.Generator().manual_seed(stream_seed(seed, "init"))
    num_classes = len(bias)

    def normal(rows: int, columns: int, scale: float) -> Tensor:
        drawn = torch.randn(rows, columns, generator=generator, dtype=torch.float64) * scale
        return drawn.to(reference)

    def leaf(tensor: Tensor) -> Tensor:
        return tensor.contiguous().requires_grad_()

    start = bias.to(reference)
    if not hidden:
        weight = normal(dimension, num_classes, 0.01).repeat(1, num_trials)
        return LinearHead(leaf(weight), leaf(start.repeat(num_trials)), num_trials)
    weight_in = normal(dimension, hidden, (2 / dimension) ** 0.5).repeat(1, num_trials)
    weight_out = normal(hidden, num_classes, 0.01).repeat(num_trials, 1, 1)
    bias_in = leaf(torch.zeros_like(weight_in[0]))
    return HiddenHead(leaf(weight_in), bias_in, leaf(weight_out), leaf(start.repeat(num_trials, 1, 1)))
