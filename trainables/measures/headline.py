"""The four scores by which losses are compared; each of head, medium and tail classes as well."""

from dataclasses import dataclass

from evenkeel.trainables.data.stratify import GROUPS
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

TUNED = "f1_tuned"
SHARED = {"f1": 0.25, "f1_tuned": 0.1}
"""`Column.shared`, where it is not a half: chosen on some data sets of benchmarks/coverage.py, held against others.
Few images change sides of a fixed threshold between near settings, and which ones is drawn anew with each bootstrap; a
tuned threshold, the place of a maximum over validation rows, jumps with each. Such spread averages out."""


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
        return {
            name: Column(title, parts=GROUPS, headline=True, shared=SHARED.get(name, Column.shared))
            for name, title in titles.items()
        }

    def compute(self, evidence: Evidence) -> Measured:
        """Thresholds are chosen on validation, for both splits. A trial that scores NaN is scored as 0.

        Without validation rows there is no score at tuned thresholds.
        """
        from evenkeel.trainables.measures.image_groups import without_groups
        from evenkeel.trainables.measures.scores import best_thresholds, for_ranking, per_class, rank, summary

        targets = evidence.targets
        scores = {split: for_ranking(evidence, split) for split in targets}
        ranked = {split: rank(scores[split], targets[split]) for split in targets}
        thresholds = scores["test"].new_full(scores["test"].shape[::2], 0.5)
        if "val" in targets:
            thresholds = best_thresholds(scores["val"], targets["val"], ranked["val"])
        values = {s: per_class(scores[s], targets[s], thresholds, ranked[s]) for s in targets}
        totals = {split: summary(value, evidence.groups) for split, value in values.items()}
        images = {}
        if evidence.image_groups is not None:
            arrays = (scores["test"], targets["test"], thresholds, ranked["test"], values["test"])
            images = without_groups(*arrays, evidence.image_groups)
        whole = Measured(
            {f"{split}_{name}": column for split, table in totals.items() for name, column in table.items()},
            {f"{split}_{name}": column for split, value in values.items() for name, column in value._asdict().items()},
            images={f"test_{name}": column for name, column in images.items()},
        )
        return whole if "val" in targets else _untuned(whole)


def _untuned(measured: Measured) -> Measured:
    """Without the scores at tuned thresholds, which could not be chosen."""
    totals, per_class, images = (
        {name: column for name, column in table.items() if TUNED not in name}
        for table in (measured.totals, measured.per_class, measured.images)
    )
    return Measured(totals, per_class, images)
