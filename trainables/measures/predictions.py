"""What was predicted, kept so that any metric can be computed later without training."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs, saved


@dataclass(frozen=True)
class Predictions:
    """Scores [N, C] in float16 and targets of val and test: `predictions.npz`."""

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {}

    def compute(self, evidence: Evidence) -> Measured:
        import numpy as np

        scores = {
            f"{split}_scores": table[0].cpu().numpy().astype(np.float16) for split, table in evidence.scores.items()
        }
        targets = {
            f"{split}_targets": table.cpu().numpy().astype(np.uint8) for split, table in evidence.targets.items()
        }
        return Measured(files=saved(evidence, "predictions", **scores, **targets))
