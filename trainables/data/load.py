"""Load a data set and check that it can be trained on."""

from pathlib import Path

import numpy as np

from evenkeel.trainables.data.identity import is_own_data
from evenkeel.trainables.data.image_set import SPLITS, DataSet, ImageSet
from evenkeel.trainables.data.own_contents import check_own_contents
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.data.stratify import rows_of
from evenkeel.trainables.errors import TrainableError


def load(data: DataSet, image_size: int, cache: Path) -> ImageSet:
    """The images of `data`, checked: groups within one split, every class with a positive in train.

    Those of a user's own class are also held to the form and the steadiness of a data set. Raises TrainableError naming
    what is wrong and the way out.
    """
    loaded = data.load(image_size, cache)
    if is_own_data(data):
        loaded = check_own_contents(data, loaded, image_size, cache)
    check(loaded, data.validation)
    return loaded


def refusal_of(data: ImageSet, validation: Validation | None) -> str | None:
    """What `check` raises, as a text."""
    try:
        check(data, validation)
    except TrainableError as error:
        return str(error)
    return None


def check(data: ImageSet, validation: Validation | None) -> None:
    """Raises TrainableError for rows that cannot be trained on or scored; looks at no pixel."""
    _check_groups(data)
    _check_classes(data)
    _check_scores(data, validation)


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


def _check_classes(data: ImageSet) -> None:
    for name in ("train", "test"):
        if not len(data.rows(name)):
            raise TrainableError(f"data: the {name} split has no images; check split_column or the table's contents")
    empty = np.flatnonzero(data.targets[data.rows("train")].sum(0) == 0)
    if len(empty):
        names = ", ".join(data.classes[i] for i in empty[:5])
        raise TrainableError(
            f"data: {len(empty)} of {len(data.classes)} classes have no positive in train ({names}"
            f"{', ...' if len(empty) > 5 else ''}); add images, or set data.drop_empty_classes: true"
        )


def _check_scores(data: ImageSet, validation: Validation | None) -> None:
    rows = rows_of(data.split, data.targets, data.group, validation, 0)
    for name, use in (("test", "nothing can be scored"), ("val", "thresholds and winners cannot be chosen")):
        if len(rows[name]) and not data.targets[rows[name]].any():
            raise TrainableError(
                f"data: no class has a positive in {name} ({len(rows[name]):,} images), so {use}; label them, or give "
                "another split"
            )
