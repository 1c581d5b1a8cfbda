"""mAP on images with exactly one label, and on images with several (LM-CLIP paper, its mAP by label number)."""

from dataclasses import dataclass

from evenkeel.trainables.data.stratify import GROUPS
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs, by_group


@dataclass(frozen=True)
class ByLabels:
    """Both ways: over the classes that have a positive among such images; and with 0 for those that have none (D31)."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            name: Column(title, parts=GROUPS)
            for name, title in {
                "map_single": "mAP, images with one label",
                "map_single_all": "mAP, images with one label, classes without positives as 0",
                "map_multi": "mAP, images with several labels",
                "map_multi_all": "mAP, images with several labels, classes without positives as 0",
            }.items()
        }

    def compute(self, evidence: Evidence) -> Measured:
        """Of all classes, and of head, medium and tail; NaN where no image has so many labels."""
        from evenkeel.trainables.measures.scores import average_precision, for_ranking

        per_class = {}
        for split in evidence.targets:
            scores, targets = for_ranking(evidence, split), evidence.targets[split]
            labels = targets.sum(-1)
            for name, rows in (("single", labels == 1), ("multi", labels > 1)):
                ap = average_precision(scores[:, rows], targets[rows]) if rows.any() else scores[:, 0] * float("nan")
                per_class[f"{split}_map_{name}"] = ap
                per_class[f"{split}_map_{name}_all"] = ap.nan_to_num(0.0) if rows.any() else ap
        return Measured(by_group(per_class, evidence.groups))
