"""A score of one class, or of a group of classes, that a study is judged by."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evenkeel.trainables.data.stratify import GROUPS
from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs
from evenkeel.trainables.measures.headline import Headline

OF_CLASSES = {"f1": "F1 at 0.5", "f1_tuned": "F1 at a validation-chosen threshold", "ap": "AP", "auc": "ROC-AUC"}
"""Scores that one class has."""
MACRO = {"f1": "f1", "f1_tuned": "f1_tuned", "ap": "map", "auc": "mauc"}
"""The headline score that is their mean."""
JOINT = "_of_"
NOT_IN_A_NAME = re.compile(r"[^\w. -]")
"""What the name of a column may not hold, since MLflow does not take it."""


@dataclass(frozen=True)
class SomeClasses:
    """`auc_of_<class>` of one class, or `map_<group>` of head, medium or tail classes, with the noise of test images.

    The total of a group is the headline's own; here stand its values without each group of test images.
    """

    score: str
    classes: str
    needs: Needs = "scores"

    @property
    def name(self) -> str:
        """Of the column."""
        return (
            f"{self.score}_{self.classes}"
            if self.classes in GROUPS
            else f"{self.score}{JOINT}{column_part(self.classes)}"
        )

    @property
    def columns(self) -> dict[str, Column]:
        if self.classes in GROUPS:
            whole = Headline().columns[self.score]
            return {self.name: Column(f"{whole.title}, {self.classes} classes", shared=whole.shared)}
        shared = Headline().columns[MACRO[self.score]].shared
        return {self.name: Column(f"{OF_CLASSES[self.score]} of {self.classes}", shared=shared)}

    def compute(self, evidence: Evidence) -> Measured:
        """Raises TrainableError for a class that the data does not have."""
        macro = MACRO.get(self.score, self.score)
        numbers = self.members(evidence.classes, evidence.groups)
        if not numbers:
            return Measured()
        part = Headline().compute(_restricted(evidence, numbers))
        images = {f"test_{self.name}": part.images[f"test_{macro}"]} if f"test_{macro}" in part.images else {}
        if self.classes in GROUPS:
            return Measured(images=images)
        scored = {split: part.totals.get(f"{split}_{macro}") for split in evidence.targets}
        totals = {f"{split}_{self.name}": column for split, column in scored.items() if column is not None}
        return Measured(totals, images=images)

    def members(self, classes: Sequence[str], groups: Mapping[str, Sequence[int]]) -> list[int]:
        """The numbers of the classes that are meant. Raises TrainableError for a class that the data does not have."""
        if self.classes in GROUPS:
            return list(groups.get(self.classes, ()))
        return [class_number(self.name, self.classes, classes)]


def class_number(metric: str, label: str, classes: Sequence[str]) -> int:
    """The number of the class that a metric names. Raises TrainableError for one that the data does not have."""
    labels = [column_part(name) for name in classes]
    if column_part(label) not in labels:
        raise TrainableError(f"metric {metric!r}: the data has no class {label!r}; {nearest(label, classes)}")
    return labels.index(column_part(label))


def column_part(label: str) -> str:
    """A class's name as it stands in the name of a column."""
    return NOT_IN_A_NAME.sub("_", label)


def _restricted(evidence: Evidence, numbers: list[int]) -> Evidence:
    """The same trials and images, some of the classes."""
    scores, targets, masks = (
        {split: values[..., numbers] for split, values in part.items()}
        for part in (evidence.scores, evidence.targets, evidence.label_mask)
    )
    return replace(evidence, scores=scores, targets=targets, label_mask=masks, groups={})


def some_classes(name: str) -> SomeClasses | None:
    """The measure that `name` means, or None: `auc_of_<class>`, `map_tail`."""
    score, joint, label = name.partition(JOINT)
    if joint and label and score in OF_CLASSES:
        return SomeClasses(score, label)
    score, _, group = name.rpartition("_")
    return SomeClasses(score, group) if group in GROUPS and score in Headline().columns else None
