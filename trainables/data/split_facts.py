"""The facts of a data set as a study splits it, for any trainable: rows of a seed, class counts, class groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evenkeel.trainables.data.image_set import SPLITS, ImageSet
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.settings import ClassGroups, Validation
from evenkeel.trainables.data.stratify import class_groups, rows_of
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.random_streams import stream
from evenkeel.trainables.seeds import Seeds, Source, bootstrap

NUM_IMAGE_GROUPS = 50


@dataclass(frozen=True, eq=False)
class SplitFacts:
    """Targets [N, C], split codes [N], group [N] or None, class names [C]; how val is carved, where groups are cut.

    `vary` are the sources of variation that follow a trial's seed (`evenkeel.trainables.seeds`).
    """

    name: str
    targets: np.ndarray
    split: np.ndarray
    group: np.ndarray | None
    classes: list[str]
    validation: Validation | None
    cuts: ClassGroups
    skipped: tuple[str, ...] = ()
    vary: list[Source] | None = None

    @classmethod
    def of(cls, name: str, images: ImageSet, validation: Validation | None, cuts: ClassGroups) -> "SplitFacts":
        """The facts of loaded images; `cuts` says what the study varies if it is a `SeededSettings`."""
        vary = getattr(cuts, "vary", None)
        return cls(
            name, images.targets, images.split, images.group, images.classes, validation, cuts, images.skipped, vary
        )

    def rows(self, seed: int) -> dict[str, np.ndarray]:
        """Row numbers of train, val and test; train rows may come several times, where they are a bootstrap.

        Raises TrainableError when there are no validation rows.
        """
        seeds = Seeds.of(self.vary, seed)
        rows = rows_of(self.split, self.targets, self.group, self.validation, seeds.split)
        if not len(rows["val"]):
            raise TrainableError(
                "data: there are no validation images; give a split, or data.validation: {fraction: 0.2}"
            )
        if seeds.train_rows is not None:
            rows["train"] = bootstrap(rows["train"], self.targets, self.group, seeds.train_rows)
        return rows

    def fitted(self, seed: int) -> np.ndarray:
        """The train rows on which a backbone is fitted: a bootstrap only where the backbone is made anew by seed."""
        if "backbone" in (self.vary or ()):
            return self.rows(seed)["train"]
        split = Seeds.of(self.vary, seed).split
        return rows_of(self.split, self.targets, self.group, self.validation, split)["train"]

    def image_groups(self) -> np.ndarray | None:
        """One of NUM_IMAGE_GROUPS random groups for each test image, [N]; the images of a group (a patient) together.

        The same for every trial, so that what the choice of test images is worth can be paired. None with fewer than
        two.
        """
        test = self.split == SPLITS.index("test")
        units = np.arange(test.sum()) if self.group is None else np.unique(self.group[test], return_inverse=True)[1]
        num_units = int(units.max()) + 1
        if num_units < 2:
            return None
        return (stream(0, "image_groups").permutation(num_units) % min(NUM_IMAGE_GROUPS, num_units))[units]

    def train_counts(self) -> list[int]:
        """Positives of each class in the official train split."""
        return self.targets[self.split == SPLITS.index("train")].sum(0).astype(int).tolist()

    def groups(self) -> dict[str, list[int]]:
        """Class numbers of head, medium and tail, by positives in the official train split."""
        return class_groups(self.train_counts(), self.cuts.head_min, self.cuts.tail_below)

    def describe(self, seeds: list[int]) -> dict[str, Any]:
        """What `Prepared.describe` gives. Raises TrainableError when a seed has no validation rows."""
        rows = [self.rows(seed) for seed in seeds][0]
        return {
            "name": self.name,
            "classes": self.classes,
            "train_counts": self.train_counts(),
            "groups": self.groups(),
            "skipped": f"{plural(len(self.skipped), 'image')} left out: {first_few(self.skipped)}"
            if self.skipped
            else "",
            "rows": {name: len(numbers) for name, numbers in rows.items()},
            "positives": {name: self.targets[numbers].sum(0).astype(int).tolist() for name, numbers in rows.items()},
            "labels_per_image": sorted(set(self.targets.sum(1).astype(int).tolist())),
            "undefined": {
                name: [c for n, c in zip(self.targets[numbers].sum(0), self.classes, strict=True) if n == 0]
                for name, numbers in rows.items()
                if name != "train"
            },
        }
