"""How far scores are from frequencies: lower is better."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

NUM_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """Over all labelled entries: expected calibration error (15 bins of equal width, Guo et al. 2017), log loss and
    Brier score, each class by itself. With groups of test images each is also given without each of them."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            "ece": Column("calibration error (ECE)", better="lower"),
            "log_loss": Column("log loss", better="lower"),
            "brier": Column("Brier score", better="lower"),
        }

    def compute(self, evidence: Evidence) -> Measured:
        totals, images = {}, {}
        for split in evidence.targets:
            groups = evidence.image_groups if split == "test" else None
            for name, (whole_K, without_KG) in _errors(evidence, split, groups).items():
                totals[f"{split}_{name}"] = whole_K
                if groups is not None:
                    images[f"{split}_{name}"] = without_KG
        return Measured(totals, images=images)


def _errors(evidence: Evidence, split: str, groups: "np.ndarray | None") -> "dict[str, tuple[Tensor, Tensor]]":
    """By name: the error [K], and that without each group of images [K, G]."""
    import torch

    from evenkeel.trainables.measures.image_sums import SMALLEST, image_sums, means

    scores, targets = evidence.scores[split].nan_to_num(0.0), evidence.targets[split].double()
    mask = evidence.label_mask.get(split)
    counted = torch.ones_like(targets) if mask is None else mask.double()
    bins = (scores * NUM_BINS).long().clamp(0, NUM_BINS - 1)
    numbers = torch.zeros(len(targets), dtype=torch.long) if groups is None else torch.as_tensor(groups)
    num_groups = int(numbers.max()) + 1
    cells = (numbers.to(bins.device)[:, None] * NUM_BINS + bins).flatten(1)
    gaps = ((scores - targets) * counted).flatten(1)
    gaps_KGB = (
        gaps.new_zeros(len(gaps), num_groups * NUM_BINS).scatter_add_(1, cells, gaps).unflatten(1, (-1, NUM_BINS))
    )
    entries_KG = image_sums(counted.sum(-1).expand(len(scores), -1), groups)
    whole, without = gaps_KGB.sum(1), gaps_KGB.sum(1, keepdim=True) - gaps_KGB
    total = entries_KG.sum(1)
    ece = whole.abs().sum(-1) / total, without.abs().sum(-1) / (total.unsqueeze(-1) - entries_KG)
    right = torch.where(targets > 0.5, scores, 1 - scores).clamp(SMALLEST, 1)
    by_image = {"log_loss": -right.log(), "brier": (scores - targets).square()}
    sums = {name: image_sums((values * counted).sum(-1), groups) for name, values in by_image.items()}
    return {"ece": ece} | {name: means(values, entries_KG) for name, values in sums.items()}
