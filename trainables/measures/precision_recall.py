"""Precision and recall of each class at 0.5, beside the F1 of the headline."""

from dataclasses import dataclass

from evenkeel.trainables.data.stratify import GROUPS
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs, by_group


@dataclass(frozen=True)
class PrecisionRecall:
    """As scikit-learn with zero_division=0; a class without positives is undefined and left out of the means."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {name: Column(f"macro {name} at 0.5", parts=GROUPS) for name in ("precision", "recall")}

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        from evenkeel.trainables.measures.scores import for_ranking

        per_class = {}
        for split in evidence.targets:
            predicted, positive = for_ranking(evidence, split) >= 0.5, evidence.targets[split] > 0.5
            hits, defined = (predicted & positive).sum(-2).double(), positive.any(0)
            per_class[f"{split}_precision"] = torch.where(defined, hits / predicted.sum(-2).clamp_min(1), torch.nan)
            per_class[f"{split}_recall"] = torch.where(defined, hits / positive.sum(0).clamp_min(1), torch.nan)
        return Measured(by_group(per_class, evidence.groups), per_class)
