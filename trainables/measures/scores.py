"""Multi-label metrics of a whole pack at once. Letters: K trials, N rows, C classes.

Scores are probabilities in [0, 1]. A class is predicted where its score is at least the threshold. A class without
positives in a split is undefined there: it is left out of that split's means. An entry whose label is not known has the
score UNKNOWN, below all others, and target 0: it does not count.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from evenkeel.trainables.measures.base import Evidence

UNKNOWN = -1.0


class PerClass(NamedTuple):
    """F1 at 0.5, F1 at the thresholds given, average precision, area under ROC: each [K, C], NaN where undefined."""

    f1: Tensor
    f1_tuned: Tensor
    map: Tensor
    mauc: Tensor


def for_ranking(evidence: Evidence, split: str, scores: Tensor | None = None) -> Tensor:
    """The scores [K, N, C] of a split (or others in their place): NaN as 0, UNKNOWN where a label is not known."""
    ranked = (evidence.scores[split] if scores is None else scores).nan_to_num(0.0)
    label_mask = evidence.label_mask.get(split)
    return ranked if label_mask is None else ranked.masked_fill(~label_mask, UNKNOWN)


def f1_at(scores_KNC: Tensor, targets_NC: Tensor, thresholds: Tensor | float) -> Tensor:
    """F1 of each class, [K, C]; thresholds a number or [K, C]. Equal to scikit-learn's with zero_division=0."""
    if isinstance(thresholds, Tensor):
        thresholds = thresholds.unsqueeze(-2)
    predicted = scores_KNC >= thresholds
    positive = targets_NC > 0.5
    hits = (predicted & positive).sum(-2).double()
    return _defined(2 * hits / (predicted.sum(-2) + positive.sum(-2)).clamp_min(1), positive.any(0))


def best_thresholds(scores_KNC: Tensor, targets_NC: Tensor, ranked: "Ranked | None" = None) -> Tensor:
    """Per class the score that, as threshold, gives the highest F1, [K, C]; the highest such score on ties.

    0.5 for a class without positives. Choose on validation, never on test.
    """
    r = ranked or rank(scores_KNC, targets_NC)
    f1 = 2 * r.hits / (r.last + 1 + r.num_positive.unsqueeze(-1)).double()
    best = torch.where(r.ends & (r.scores > UNKNOWN), f1, -1.0).argmax(-1, keepdim=True)
    chosen = r.scores.gather(-1, best).squeeze(-1)
    return torch.where(r.num_positive > 0, chosen, 0.5)


def average_precision(scores_KNC: Tensor, targets_NC: Tensor) -> Tensor:
    """Non-interpolated average precision of each class, [K, C]; tied scores form one step, as in scikit-learn."""
    return _ap_and_auc(rank(scores_KNC, targets_NC))[0]


def roc_auc(scores_KNC: Tensor, targets_NC: Tensor) -> Tensor:
    """Area under the ROC curve of each class, [K, C]; ties count one half."""
    return _ap_and_auc(rank(scores_KNC, targets_NC))[1]


def per_class(
    scores_KNC: Tensor, targets_NC: Tensor, thresholds_KC: Tensor, ranked: "Ranked | None" = None
) -> PerClass:
    """All metrics of each class; `thresholds_KC` from `best_thresholds` on validation, `ranked` of the same scores."""
    ap, auc = _ap_and_auc(ranked or rank(scores_KNC, targets_NC))
    return PerClass(f1_at(scores_KNC, targets_NC, 0.5), f1_at(scores_KNC, targets_NC, thresholds_KC), ap, auc)


class Ranked(NamedTuple):
    """Rows of each class by falling score. Ties form a group; `first` and `last` are its positions, for each member."""

    order: Tensor  # [K, C, N] row numbers
    scores: Tensor  # [K, C, N]
    labels: Tensor  # [K, C, N] bool
    ends: Tensor  # [K, C, N] whether the next score differs
    first: Tensor  # [K, C, N]
    last: Tensor  # [K, C, N]
    hits: Tensor  # [K, C, N] positives up to `last`, in double
    before: Tensor  # [K, C, N] positives above `first`
    num_positive: Tensor  # [C]
    num_negative: Tensor  # [K, C]


def rank(scores_KNC: Tensor, targets_NC: Tensor) -> Ranked:
    """Sort once; average precision, ROC-AUC, thresholds and what single images are worth follow from it."""
    scores, order = scores_KNC.transpose(-1, -2).sort(dim=-1, descending=True)
    labels = (targets_NC.T > 0.5).expand_as(order).gather(-1, order)
    ends = torch.ones_like(labels)
    ends[..., :-1] = scores[..., 1:] != scores[..., :-1]
    num_rows = order.shape[-1]
    position = torch.arange(num_rows, device=order.device).expand_as(ends)
    last = torch.where(ends, position, num_rows).flip(-1).cummin(-1).values.flip(-1)
    first = torch.where(ends.roll(1, -1) | (position == 0), position, 0).cummax(-1).values
    num_found = labels.cumsum(-1, dtype=torch.float64)
    before = num_found.gather(-1, first) - labels.gather(-1, first).double()
    num_positive = (targets_NC > 0.5).sum(0)
    num_negative = (scores > UNKNOWN).sum(-1) - num_positive
    return Ranked(
        order, scores, labels, ends, first, last, num_found.gather(-1, last), before, num_positive, num_negative
    )


def _ap_and_auc(r: Ranked) -> tuple[Tensor, Tensor]:
    positive, num_negative = r.num_positive, r.num_negative
    ap = (r.labels * r.hits / (r.last + 1)).sum(-1) / positive.clamp_min(1)
    # Per negative: positives ranked above it, ties half.
    above = torch.where(r.labels | (r.scores == UNKNOWN), 0, (r.hits + r.before) / 2).sum(-1)
    auc = above / (positive * num_negative).clamp_min(1)
    return _defined(ap, positive > 0), _defined(auc, (positive > 0) & (num_negative > 0))


def _defined(values: Tensor, positive: Tensor) -> Tensor:
    return torch.where(positive, values, torch.nan)


def summary(values: PerClass, groups: dict[str, list[int]]) -> dict[str, Tensor]:
    """Means over the defined classes, in total and by group: name -> [K]; NaN where no class is defined."""
    result = {}
    for metric, scores_KC in values._asdict().items():
        result[metric] = scores_KC.nanmean(-1)
        for group, members in groups.items():
            result[f"{metric}_{group}"] = scores_KC[:, members].nanmean(-1)
    return result
