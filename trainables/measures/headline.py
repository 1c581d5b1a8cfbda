"""The four scores by which losses are compared; each of head, medium and tail classes as well."""

from dataclasses import dataclass

from trainables.data.splits import GROUPS
from trainables.measures.base import Column, Evidence, Measured, Needs

EVALUATED = ("val", "test")


@dataclass(frozen=True)
class Headline:
    """Macro F1 at 0.5, macro F1 at thresholds chosen on validation, mean AP, mean ROC-AUC."""

    needs: Needs = "scores"

    @property
    def columns(self) -> dict[str, Column]:
        titles = {
            "f1": "macro F1 at 0.5",
            "f1_tuned": "macro F1 at validation-chosen thresholds",
            "map": "mAP",
            "mauc": "mAUC",
        }
        return {name: Column(title, parts=GROUPS, headline=True) for name, title in titles.items()}

    def compute(self, evidence: Evidence) -> Measured:
        """Thresholds are chosen on validation, for both splits. A trial that scores NaN is scored as 0."""
        from trainables.measures.scores import best_thresholds, for_ranking, per_class, summary

        scores = {split: for_ranking(evidence, split) for split in EVALUATED}
        thresholds = best_thresholds(scores["val"], evidence.targets["val"])
        values = {split: per_class(scores[split], evidence.targets[split], thresholds) for split in EVALUATED}
        totals = {split: summary(value, evidence.groups) for split, value in values.items()}
        return Measured(
            {f"{split}_{name}": column for split, table in totals.items() for name, column in table.items()},
            {f"{split}_{name}": column for split, value in values.items() for name, column in value._asdict().items()},
        )
