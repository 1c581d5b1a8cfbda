"""Scores of the class with the highest score, all made of one table of counts. K trials, G image groups, C classes.

Leaving a group of images out is subtracting its counts, so that the jackknife over test images costs nothing more.
"""

import numpy as np
import torch
from torch import Tensor


def confusion(scores_KNC: Tensor, targets_NC: Tensor, image_groups: np.ndarray | None = None) -> Tensor:
    """How often images of each class are given each class, [K, G, C, C] (true, predicted), in float64.

    targets_NC has one 1 a row; `image_groups` [N] holds whole numbers from 0 on, and G is 1 without them. The first of
    equal scores is predicted, as by numpy's argmax.
    """
    num_trials, num_rows, num_classes = scores_KNC.shape
    groups_N = np.zeros(num_rows, dtype=int) if image_groups is None else image_groups
    cells = torch.as_tensor(groups_N, device=scores_KNC.device) * num_classes + targets_NC.argmax(-1)
    cells_KN = cells * num_classes + scores_KNC.argmax(-1)
    num_groups = int(groups_N.max(initial=0)) + 1
    counts = torch.zeros(num_trials, num_groups * num_classes**2, dtype=torch.float64, device=scores_KNC.device)
    counts.scatter_add_(1, cells_KN, torch.ones_like(cells_KN, dtype=torch.float64))
    return counts.view(num_trials, num_groups, num_classes, num_classes)


def accuracy(counts: Tensor) -> Tensor:
    """Share of right answers, [..., C, C] to [...]."""
    return _ratio(counts.diagonal(dim1=-2, dim2=-1).sum(-1), counts.sum((-2, -1)))


def balanced_accuracy(counts: Tensor) -> Tensor:
    """Mean over the classes that have images of the share that is found, [..., C, C] to [...]."""
    return _ratio(counts.diagonal(dim1=-2, dim2=-1), counts.sum(-1)).nanmean(-1)


def f1_argmax(counts: Tensor) -> Tensor:
    """Mean F1 over the classes that have images, [..., C, C] to [...]."""
    hits, true, predicted = counts.diagonal(dim1=-2, dim2=-1), counts.sum(-1), counts.sum(-2)
    return torch.where(true > 0, 2 * hits / (true + predicted).clamp_min(1), torch.nan).nanmean(-1)


def kappa(counts: Tensor) -> Tensor:
    """Agreement beyond that of chance, [..., C, C] to [...]; NaN where one class alone is true and predicted.

    Source: Cohen 1960.
    """
    total = counts.sum((-2, -1))
    by_chance = _ratio((counts.sum(-1) * counts.sum(-2)).sum(-1), total**2)
    return _ratio(accuracy(counts) - by_chance, 1 - by_chance)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """NaN where there is nothing to divide by."""
    return torch.where(whole > 0, part / whole.clamp_min(torch.finfo(whole.dtype).tiny), torch.nan)
