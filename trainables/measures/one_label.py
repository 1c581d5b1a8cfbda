"""Accuracy and macro F1 of the class with the highest score, for data with one label an image."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

SPLITS = ("val", "test")


@dataclass(frozen=True)
class OneLabel:
    """The RAL paper's metrics on ISIC 2018 and APTOS 2019; undefined where an image has another number of labels."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {"accuracy": Column("accuracy"), "f1_argmax": Column("macro F1 of the highest score")}

    def compute(self, evidence: Evidence) -> Measured:
        import torch
        from torch.nn.functional import one_hot

        from evenkeel.trainables.measures.scores import f1_at, for_ranking

        totals = {}
        for split in SPLITS:
            scores, targets = for_ranking(evidence, split), evidence.targets[split]
            chosen = scores.argmax(-1)
            one = bool((targets.sum(-1) == 1).all())
            right = (chosen == targets.argmax(-1)).double().mean(-1)
            f1 = f1_at(one_hot(chosen, targets.shape[-1]).double(), targets, 0.5).nanmean(-1)
            totals[f"{split}_accuracy"] = right if one else torch.full_like(right, torch.nan)
            totals[f"{split}_f1_argmax"] = f1 if one else torch.full_like(f1, torch.nan)
        return Measured(totals)
