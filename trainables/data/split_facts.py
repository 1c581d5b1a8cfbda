"""A data set as a study splits it, for any trainable: rows of a seed, class counts, class groups, and their facts."""

from dataclasses import dataclass, field

import numpy as np

from evenkeel.trainables.data.image_set import SPLITS, ImageSet
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.settings import WAYS_OUT, ClassGroups, Validation, without_validation
from evenkeel.trainables.data.stratify import class_groups, rows_of
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.random_streams import stream
from evenkeel.trainables.seeds import Seeds, Source, bootstrap, rows_of_part

NUM_IMAGE_GROUPS = 50


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """What a report says of a data set as a study splits it. Rows and positives are counted by split, at one seed.

    `train_counts` are the positives of each class in the official train split, `groups` class numbers of head, medium
    and tail classes, `labels_per_image` the numbers of labels that occur, `undefined` the classes without positives by
    split, `skipped` one line on images that were left out, `dimension` the width of features, where there are any.
    """

    name: str
    classes: tuple[str, ...] = ()
    train_counts: tuple[int, ...] = ()
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    positives: dict[str, tuple[int, ...]] = field(default_factory=dict)
    labels_per_image: tuple[int, ...] = ()
    undefined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: str = ""
    dimension: int | None = None


@dataclass(frozen=True, eq=False)
class DataSplits:
    """Targets [N, C], split codes [N], group [N] or None, class names [C]; how val is carved, where groups are cut.

    `vary` are the sources of variation that follow a trial's seed (`evenkeel.trainables.seeds`); `label_mask` [N, C]
    says where a label is known (None: everywhere).
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
    label_mask: np.ndarray | None = None

    @property
    def train_part(self) -> tuple[int, int] | None:
        """Of `SeededSettings`: the part of the train rows that trials see, (j, k); None: all of them."""
        return getattr(self.cuts, "train_part", None)

    @classmethod
    def of(cls, name: str, images: ImageSet, validation: Validation | None, cuts: ClassGroups) -> "DataSplits":
        """Those of loaded images; `cuts` says what the study varies if it is a `SeededSettings`."""
        vary = getattr(cuts, "vary", None)
        return cls(
            name=name,
            targets=images.targets,
            split=images.split,
            group=images.group,
            classes=images.classes,
            validation=validation,
            cuts=cuts,
            skipped=images.skipped,
            vary=vary,
            label_mask=images.label_mask,
        )

    def rows(self, seed: int) -> dict[str, np.ndarray]:
        """Row numbers [M] of train, val and test; train rows may come several times, where they are a bootstrap.

        Raises TrainableError when there are no validation rows, unless the study says so (`validation: none`).
        """
        seeds = Seeds.of(self.vary, seed)
        rows = rows_of(self.split, self.targets, self.group, self.validation, seeds.split)
        if not len(rows["val"]) and not without_validation(self.validation):
            raise TrainableError(f"data: there are no validation images; give a split, or {WAYS_OUT}")
        if self.train_part:
            rows["train"] = rows_of_part(rows["train"], self.targets, self.group, self.train_part)
        if seeds.train_rows is not None:
            rows["train"] = bootstrap(rows["train"], self.targets, self.group, seeds.train_rows)
        return rows

    def fitted(self, seed: int) -> np.ndarray:
        """Train rows [M] on which a backbone is fitted: a bootstrap only where the backbone is made anew by seed."""
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

    def describe(self, seeds: list[int]) -> SplitFacts:
        """The facts at the first of the seeds. Raises TrainableError when a seed has no validation rows."""
        rows = [self.rows(seed) for seed in seeds][0]
        positives = {name: self.targets[numbers].sum(0).astype(int).tolist() for name, numbers in rows.items()}
        return SplitFacts(
            name=self.name,
            classes=tuple(self.classes),
            train_counts=tuple(self.train_counts()),
            groups={name: tuple(members) for name, members in self.groups().items()},
            rows={name: len(numbers) for name, numbers in rows.items()},
            positives={name: tuple(counts) for name, counts in positives.items()},
            labels_per_image=tuple(sorted(set(self.targets.sum(1).astype(int).tolist()))),
            undefined={
                name: _without_positives(positives[name], self.classes)
                for name in rows
                if name != "train" and rows[name].size
            },
            skipped=self._skipped_words(),
        )

    def _skipped_words(self) -> str:
        return f"{plural(len(self.skipped), 'image')} left out: {first_few(self.skipped)}" if self.skipped else ""


def _without_positives(counts: list[int], classes: list[str]) -> tuple[str, ...]:
    return tuple(name for count, name in zip(counts, classes, strict=True) if count == 0)
