"""Scores of the class with the highest score, for data with one label an image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class OneLabelScores:
    """Accuracy, balanced accuracy, macro F1, Cohen's kappa and cross-entropy; undefined with another number of labels.

    Accuracy and macro F1 are the RAL paper's metrics on ISIC 2018 and APTOS 2019. With groups of test images each is
    also given without each of them.
    """

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            "accuracy": Column("accuracy"),
            "balanced_accuracy": Column("balanced accuracy"),
            "f1_argmax": Column("macro F1 of the highest score"),
            "kappa": Column("Cohen's kappa"),
            "cross_entropy": Column("cross-entropy", better="lower"),
        }

    def compute(self, evidence: Evidence) -> Measured:
        from torch import nan

        totals, images = {}, {}
        for split in evidence.targets:
            one_label = bool((evidence.targets[split].sum(-1) == 1).all())
            groups = evidence.image_groups if split == "test" else None
            for name, (whole_K, without_KG) in _scores(evidence, split, groups).items():
                totals[f"{split}_{name}"] = whole_K if one_label else whole_K * nan
                if groups is not None and one_label:
                    images[f"{split}_{name}"] = without_KG
        return Measured(totals, images=images)


def _scores(evidence: Evidence, split: str, groups: "np.ndarray | None") -> "dict[str, tuple[Tensor, Tensor]]":
    """By name: the score [K], and that without each group of images [K, G]."""
    from evenkeel.trainables.measures import confusion
    from evenkeel.trainables.measures.image_sums import SMALLEST, image_sums, means
    from evenkeel.trainables.measures.scores import for_ranking

    scores, targets = for_ranking(evidence, split).clamp_min(0), evidence.targets[split]
    counts = confusion.confusion(scores, targets, groups)
    whole, without = counts.sum(1), counts.sum(1, keepdim=True) - counts
    kinds = (confusion.accuracy, confusion.balanced_accuracy, confusion.f1_argmax, confusion.kappa)
    shares = (scores * targets).sum(-1) / scores.sum(-1).clamp_min(SMALLEST)
    losses = -shares.clamp(SMALLEST, 1).log()
    entropies = means(image_sums(losses, groups), image_sums(losses.new_ones(losses.shape), groups))
    return {kind.__name__: (kind(whole), kind(without)) for kind in kinds} | {"cross_entropy": entropies}
