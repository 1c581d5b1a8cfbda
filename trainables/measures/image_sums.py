"""Means over images, and the same without each group of test images. K trials, N images, G groups."""

import numpy as np
import torch
from torch import Tensor

SMALLEST = torch.finfo(torch.float64).eps
"""The least probability that a logarithm is taken of, as scikit-learn's."""


def image_sums(values_KN: Tensor, image_groups: np.ndarray | None) -> Tensor:
    """Sums [K, G] of values [K, N] over the images of each group; G is 1 without groups ([N], whole numbers from 0)."""
    if image_groups is None:
        return values_KN.sum(-1, keepdim=True)
    groups_N = torch.as_tensor(image_groups, device=values_KN.device)
    sums = torch.zeros(len(values_KN), int(groups_N.max()) + 1, dtype=values_KN.dtype, device=values_KN.device)
    return sums.index_add_(1, groups_N, values_KN)


def means(sums_KG: Tensor, counts_KG: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over all images [K], and that without each group [K, G], of `image_sums` of values and of weights."""
    sums, counts = sums_KG.sum(-1, keepdim=True), counts_KG.sum(-1, keepdim=True)
    return (sums / counts).squeeze(-1), (sums - sums_KG) / (counts - counts_KG)
