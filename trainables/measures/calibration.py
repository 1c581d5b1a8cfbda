"""How far scores are from frequencies."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

SPLITS, NUM_BINS = ("val", "test"), 15


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error over all known entries, 15 bins of equal width (Guo et al. 2017)."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {"ece": Column("calibration error (ECE)", better="lower")}

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        totals = {}
        for split in SPLITS:
            scores, targets = evidence.scores[split].nan_to_num(0.0), evidence.targets[split].double()
            known = evidence.known.get(split)
            counted = torch.ones_like(targets) if known is None else known.double()
            bins = (scores * NUM_BINS).long().clamp(0, NUM_BINS - 1).flatten(1)
            gaps = ((scores - targets) * counted).flatten(1)
            sums = torch.zeros(len(scores), NUM_BINS, dtype=gaps.dtype, device=gaps.device).scatter_add_(1, bins, gaps)
            totals[f"{split}_ece"] = sums.abs().sum(-1) / counted.sum()
        return Measured(totals)
