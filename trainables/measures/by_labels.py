"""mAP on images with exactly one label, and on images with several (LM-CLIP paper, its mAP by label number)."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import EVALUATED, Column, Evidence, Measured, Needs


@dataclass(frozen=True)
class ByLabels:
    """Both ways: over the classes that have a positive among such images; and with 0 for those that have none (D31)."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            "map_single": Column("mAP, images with one label"),
            "map_single_all": Column("mAP, images with one label, classes without positives as 0"),
            "map_multi": Column("mAP, images with several labels"),
            "map_multi_all": Column("mAP, images with several labels, classes without positives as 0"),
        }

    def compute(self, evidence: Evidence) -> Measured:
        """NaN where no image has so many labels."""
        from evenkeel.trainables.measures.scores import average_precision, for_ranking

        totals = {}
        for split in EVALUATED:
            scores, targets = for_ranking(evidence, split), evidence.targets[split]
            labels = targets.sum(-1)
            for name, rows in (("single", labels == 1), ("multi", labels > 1)):
                ap = average_precision(scores[:, rows], targets[rows]) if rows.any() else scores[:, 0] * float("nan")
                totals[f"{split}_map_{name}"] = ap.nanmean(-1)
                totals[f"{split}_map_{name}_all"] = ap.nan_to_num(0.0).mean(-1) if rows.any() else ap.mean(-1)
        return Measured(totals)
