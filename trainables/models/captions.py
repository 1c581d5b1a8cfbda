"""What a CLIP model reads: a prompt a class, and captions of images (LM-CLIP paper, sections III.A and IV.B)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import Field, model_validator

from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.phrases import plural
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import SWITCH, Settings

Label = TypeVar("Label", int, str)
TEMPLATE = "a photo of a {}"


class Captions(Settings):
    """What the caption of an image is: its labels, or sentences that the data has."""

    source: Annotated[Literal["labels", "data"], SWITCH] = Field(
        "labels",
        description="labels: the names of an image's classes; data: sentences of data.caption_column or caption_table, "
        "one drawn in each epoch",
    )
    order: Literal["classes", "published"] = Field(
        "classes",
        description="of the labels: that of the classes, or that of the data's own list, as published code has it",
    )
    most_labels: int | None = Field(
        None, ge=1, description="a caption names at most so many labels, those with the fewest train rows; all if none"
    )

    @model_validator(mode="after")
    def _of_labels(self) -> "Captions":
        if self.source == "data" and (self.order != "classes" or self.most_labels):
            raise ValueError("source: data takes sentences as they are; order and most_labels are for those of labels")
        return self

    def refuse(self, sentences: list[list[str]] | None) -> None:
        """Raises TrainableError where captions are to be sentences and rows that may be trained on have none.

        `sentences` are those of each such row; None where the data has none.
        """
        if self.source == "labels":
            return
        if sentences is None:
            raise TrainableError(
                "trainable.captions.source: the data has no sentences; name them with data.caption_column or "
                "data.caption_table, or take labels"
            )
        if lonely := sum(not texts for texts in sentences):
            raise TrainableError(
                f"trainable.captions.source: {plural(lonely, 'train image')} of {len(sentences):,} without a sentence; "
                "remove their rows, or take labels"
            )

    def texts(self, images: ImageSet, rows: np.ndarray) -> list[list[str]]:
        """The captions of each of some rows [B], those of labels with the label counts of these rows.

        Raises TrainableError for the published order of data that has none, and for rows without a sentence.
        """
        if self.source == "data":
            sentences = images.captions and [images.captions[row] for row in rows]
            self.refuse(sentences)
            return sentences or []
        if self.order == "published" and images.label_order is None:
            raise TrainableError(
                "trainable.captions.order: the data lists labels in no order of its own; take classes, or a data set "
                "of published lists (voc-mlt, coco-mlt)"
            )
        targets = images.targets[rows]
        lists = [images.label_order[row] for row in rows] if self.order == "published" and images.label_order else None
        lists = lists or [np.flatnonzero(row).tolist() for row in targets]
        counts = targets.sum(0, dtype=np.int64)
        return [[caption([images.classes[c] for c in self.kept(numbers, counts)])] for numbers in lists]

    def kept(self, labels: Sequence[Label], counts: Any) -> list[Label]:
        """The labels of an image (classes by number or by name) that its caption names; `counts[label]` train rows."""
        rarest = sorted(labels, key=lambda label: (counts[label], label))[: self.most_labels]
        return [label for label in labels if label in rarest]


def class_prompts(classes: list[str], template: str = TEMPLATE) -> list[str]:
    """One text a class: the template filled with its name as the label file writes it."""
    return [template.format(name) for name in classes]


def caption(labels: Sequence[str], template: str = TEMPLATE) -> str:
    """The template filled with labels, joined by commas."""
    return template.format(", ".join(labels))


def captions(targets: np.ndarray, classes: list[str], template: str = TEMPLATE) -> list[str]:
    """One text a row of targets [N, C]: the template filled with the names of its classes, joined by commas."""
    return [caption([classes[c] for c in np.flatnonzero(row)], template) for row in targets]


def numbered(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """(each text once, in order of appearance; the number of each text, [N])."""
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    return list(numbers), codes
