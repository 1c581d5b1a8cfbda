"""What every data set gives: images as bytes, multi-hot targets, a split per row."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from trainables.data.settings import Validation
from trainables.errors import TrainableError, nearest

SPLITS = ("train", "val", "test")
"""Codes 0, 1, 2 in `ImageSet.split`."""


@dataclass(frozen=True)
class ImageSet:
    """Images [N, S, S, channels] uint8, targets [N, C] uint8, split [N] uint8, group [N] (or None), class names [C]."""

    images: np.ndarray
    targets: np.ndarray
    split: np.ndarray
    group: np.ndarray | None
    classes: list[str]

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of one split."""
        return np.flatnonzero(self.split == SPLITS.index(split))


class DataSet(Protocol):
    """A data set as a study file writes it; a frozen settings model. Rows are images, columns are classes."""

    @property
    def name(self) -> str: ...

    @property
    def validation(self) -> Validation | None:
        """How validation rows are carved from train, or None for a fixed split."""
        ...

    def fingerprint(self) -> str:
        """A hash of the contents (not of where they lie): it is part of every trial's id."""
        ...

    def identity(self) -> dict[str, Any]:
        """What decides a result: the settings without paths, and the fingerprint."""
        ...

    def load(self, image_size: int, cache: Path) -> ImageSet:
        """Decode (once; cached) and check everything. Raises TrainableError naming file, value, rule and way out."""
        ...


def source_of(settings: dict[str, Any]) -> Any:
    """The data set that `settings["name"]` names. Raises TrainableError for an unknown name."""
    from trainables.data.csv_table import LabelTable
    from trainables.data.digits import DigitsMlt

    makers: dict[str, Callable[[dict[str, Any]], Any]] = {
        "digits-mlt": DigitsMlt.from_settings,
        "csv": LabelTable.from_settings,
    }
    name = settings["name"]
    if name not in makers:
        raise TrainableError(f"data.name: unknown data set {name!r}; {nearest(name, makers)}")
    return makers[name](settings)


def load(settings: dict[str, Any], image_size: int, cache: Path) -> ImageSet:
    """Load a data set and check that it can be trained on."""
    loaded = source_of(settings).load(image_size, cache)
    _check_groups(loaded)
    return _check_classes(loaded, bool(settings.get("drop_empty_classes")))


def _check_groups(data: ImageSet) -> None:
    if data.group is None:
        return
    home: dict[str, int] = {}
    for group, split in zip(data.group.tolist(), data.split.tolist(), strict=True):
        first = home.setdefault(group, split)
        if first != split:
            raise TrainableError(
                f"data.group_column: group {group!r} is in {SPLITS[first]} and in {SPLITS[split]}; groups must not "
                "cross splits: correct the table, or leave out split_column and give test_fraction instead"
            )


def _check_classes(data: ImageSet, drop_empty: bool) -> ImageSet:
    for name in ("train", "test"):
        if not len(data.rows(name)):
            raise TrainableError(f"data: the {name} split has no images; check split_column or the table's contents")
    counts = data.targets[data.split == 0].sum(0)
    empty = np.flatnonzero(counts == 0)
    if not len(empty):
        return data
    if not drop_empty:
        names = ", ".join(data.classes[i] for i in empty[:5])
        raise TrainableError(
            f"data: {len(empty)} of {len(data.classes)} classes have no positive in train ({names}"
            f"{', ...' if len(empty) > 5 else ''}); add images, or set data.drop_empty_classes: true"
        )
    keep = np.flatnonzero(counts > 0)
    return ImageSet(data.images, data.targets[:, keep], data.split, data.group, [data.classes[i] for i in keep])
