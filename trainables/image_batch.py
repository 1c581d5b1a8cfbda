"""From stored bytes to what a model, an augmentation or a measure works on."""

import torch
from torch import Tensor


def to_unit_range(stored: Tensor, device: str | torch.device) -> Tensor:
    """Images [B, channels, S, S] float32 in [0, 1] on the device, of stored ones [B, S, S, channels] uint8.

    The memory layout stays as it is stored, channels last.
    """
    return stored.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
