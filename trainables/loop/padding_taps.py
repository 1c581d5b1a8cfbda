"""Slopes of those taps of a convolution that see nothing but padding: they are 0, and must not be left to chance.

On a CPU with bfloat16 units oneDNN leaves them unwritten (a 3 x 3 kernel with stride 2 on an image of one pixel):
whatever lay in that memory became a slope, and a trial's numbers hung on what its process had run before.
"""

from typing import Any

import torch
from torch import Tensor, nn


def zero_unseen(module: nn.Module) -> None:
    """From now on the convolutions of the module have slopes of 0 where their kernels saw padding alone."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and isinstance(part.padding, tuple) and any(part.padding):
            _watch(part)


def _watch(convolution: nn.Conv2d) -> None:
    unseen: list[Tensor] = []

    def look(conv: nn.Conv2d, inputs: tuple[Tensor]) -> None:
        geometry: tuple[Any, ...] = (inputs[0].shape[2:], conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        rows, columns = (seen(*(numbers[side] for numbers in geometry)) for side in (0, 1))
        taps = ~(rows[:, None] & columns)
        unseen[:] = [taps.to(convolution.weight.device)] if taps.any() else []

    convolution.register_forward_pre_hook(look)
    convolution.weight.register_hook(lambda slopes: slopes.masked_fill(unseen[0], 0) if unseen else None)


def seen(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    """Which taps of a kernel ever lie inside an image of this size, [kernel] bool, along one side."""
    num = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    positions = torch.arange(num)[:, None] * stride - padding + torch.arange(kernel) * dilation
    return ((positions >= 0) & (positions < size)).any(0)
