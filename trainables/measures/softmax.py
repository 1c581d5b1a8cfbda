"""Ranking by softmax over the classes in place of the score that the loss trains (LM-CLIP evaluation, D26)."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs


@dataclass(frozen=True)
class SoftmaxScores:
    """mAP and mAUC of softmax and of sigmoid scores of the same logits: they rank the images of a class differently."""

    needs: Needs = "logits"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            f"{metric}_{kind}": Column(f"{title} by {kind} scores")
            for kind in ("softmax", "sigmoid")
            for metric, title in (("map", "mAP"), ("mauc", "mAUC"))
        }

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        from evenkeel.trainables.measures.scores import average_precision, for_ranking, roc_auc

        totals = {}
        for split in evidence.targets:
            logits, targets = evidence.logits[split].double(), evidence.targets[split]
            for kind, values in (("softmax", torch.softmax(logits, -1)), ("sigmoid", torch.sigmoid(logits))):
                scores = for_ranking(evidence, split, values)
                totals[f"{split}_map_{kind}"] = average_precision(scores, targets).nanmean(-1)
                totals[f"{split}_mauc_{kind}"] = roc_auc(scores, targets).nanmean(-1)
        return Measured(totals)
