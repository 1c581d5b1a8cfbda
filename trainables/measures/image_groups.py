"""What the choice of test images is worth: each metric without each of G fixed groups of images.

A metric is a smooth function of one weight an image; its slopes (the influence of an image) give, summed over a group,
the first-order change when the group is left out. Source: Jaeckel 1972, the infinitesimal jackknife; for the ROC-AUC
the slopes are the placements of DeLong et al. 1988. Letters: K trials, N images, C classes, G groups.
"""

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.measures.scores import UNKNOWN, PerClass, Ranked


def without_groups(
    scores_KNC: Tensor,
    targets_NC: Tensor,
    thresholds_KC: Tensor,
    ranked: Ranked,
    values: PerClass,
    image_groups: np.ndarray,
) -> dict[str, Tensor]:
    """Each macro metric without each group, name -> [K, G]. `image_groups` [N] holds whole numbers from 0 on.

    `ranked` and `values` are those of the same scores. Thresholds count as given.
    """
    groups_N = torch.as_tensor(image_groups, device=scores_KNC.device)
    num_groups = int(groups_N.max()) + 1
    member = torch.nn.functional.one_hot(groups_N, num_groups).to(scores_KNC.dtype)
    influence = {
        "f1": _of_f1(scores_KNC >= 0.5, targets_NC, member),
        "f1_tuned": _of_f1(scores_KNC >= thresholds_KC.unsqueeze(-2), targets_NC, member),
        "map": _summed(_of_ap(ranked, values.map), ranked, groups_N, num_groups),
        "mauc": _summed(_of_auc(ranked, values.mauc), ranked, groups_N, num_groups),
    }
    grown = num_groups / (num_groups - 1)
    return {
        name: getattr(values, name).nanmean(-1, keepdim=True) - grown * _macro(part, getattr(values, name))
        for name, part in influence.items()
    }


def _macro(influence_KCG: Tensor, values_KC: Tensor) -> Tensor:
    """The mean over defined classes, [K, G]."""
    defined = values_KC.isfinite().unsqueeze(-1)
    return torch.where(defined, influence_KCG, 0).sum(-2) / defined.sum(-2).clamp_min(1)


def _of_f1(predicted_KNC: Tensor, targets_NC: Tensor, member_NG: Tensor) -> Tensor:
    """[K, C, G] of F1 = 2 TP / (predicted + positive)."""
    true = targets_NC.to(member_NG.dtype)
    guessed = predicted_KNC.to(member_NG.dtype)
    hits = (guessed * true).transpose(-1, -2)
    size = (guessed + true).transpose(-1, -2)
    total = size.sum(-1, keepdim=True).clamp_min(1)
    return 2 * (hits @ member_NG) / total - 2 * hits.sum(-1, keepdim=True) / total**2 * (size @ member_NG)


def _of_ap(r: Ranked, ap_KC: Tensor) -> Tensor:
    """Slopes in rank order, [K, C, N]: own precision, and that of every positive at or below."""
    size = (r.last + 1).double()
    precision = r.hits / size
    gained = torch.where(r.labels, 1 / size, 0)
    lost = torch.where(r.labels, precision / size, 0)
    at_or_below = [part.flip(-1).cumsum(-1).flip(-1).gather(-1, r.first) for part in (gained, lost)]
    own = torch.where(r.labels, precision + at_or_below[0] - ap_KC.unsqueeze(-1), 0)
    return (own - at_or_below[1]) / r.num_positive.clamp_min(1).unsqueeze(-1)


def _of_auc(r: Ranked, auc_KC: Tensor) -> Tensor:
    """Slopes in rank order, [K, C, N]: placements among the other kind, ties one half, less their mean."""
    positive = r.num_positive.unsqueeze(-1)
    negative = r.num_negative.unsqueeze(-1)
    negatives_above = (r.last + 1 - r.hits + r.first - r.before) / 2
    of_positive = (1 - negatives_above / negative.clamp_min(1) - auc_KC.unsqueeze(-1)) / positive.clamp_min(1)
    of_negative = ((r.hits + r.before) / 2 / positive.clamp_min(1) - auc_KC.unsqueeze(-1)) / negative.clamp_min(1)
    return torch.where(r.labels, of_positive, torch.where(r.scores > UNKNOWN, of_negative, 0))


def _summed(slopes_KCN: Tensor, r: Ranked, groups_N: Tensor, num_groups: int) -> Tensor:
    """Slopes by group, [K, C, G]."""
    result = torch.zeros(*slopes_KCN.shape[:-1], num_groups, dtype=slopes_KCN.dtype, device=slopes_KCN.device)
    return result.scatter_add_(-1, groups_N[r.order], slopes_KCN)
