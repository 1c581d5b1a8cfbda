"""Precision and recall of each class at 0.5, beside the F1 of the headline."""

from dataclasses import dataclass

from trainables.measures.base import Column, Evidence, Measured, Needs

SPLITS = ("val", "test")


@dataclass(frozen=True)
class PrecisionRecall:
    """As scikit-learn with zero_division=0; a class without positives is undefined and left out of the means."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {"precision": Column("macro precision at 0.5"), "recall": Column("macro recall at 0.5")}

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        from trainables.measures.scores import for_ranking

        per_class = {}
        for split in SPLITS:
            predicted, positive = for_ranking(evidence, split) >= 0.5, evidence.targets[split] > 0.5
            hits, defined = (predicted & positive).sum(-2).double(), positive.any(0)
            per_class[f"{split}_precision"] = torch.where(defined, hits / predicted.sum(-2).clamp_min(1), torch.nan)
            per_class[f"{split}_recall"] = torch.where(defined, hits / positive.sum(0).clamp_min(1), torch.nan)
        return Measured({name: values.nanmean(-1) for name, values in per_class.items()}, per_class)
