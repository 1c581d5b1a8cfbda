"""The rows of a csv data set, before any image is decoded: as the tables list them, and one an image.

Letters of shapes: N rows, C classes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evenkeel.trainables.data.csv.dialects import Table
from evenkeel.trainables.data.csv.labels import Labels
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError

NUM_REPEATS_LISTED = 20
"""So many images that are listed twice, with contradictions, does an error name."""


@dataclass(frozen=True)
class Listing:
    """All rows of all tables in order, [N] each: name of the table, its line, image id, file (or why there is none).

    `split_cells` are as they are written, none without a split column.
    """

    tables: dict[str, Table]
    parts: list[str]
    lines: list[str]
    ids: list[str]
    split_cells: list[str]
    files: list[ImageFile | str]


@dataclass(frozen=True)
class Rows:
    """One row an image: id, file (or why there is none), labels [N, C], split [N], group [N], what looked odd."""

    ids: list[str]
    files: list[ImageFile | str]
    labels: Labels
    split: np.ndarray
    group: np.ndarray | None
    odd: list[Oddity]

    def take(self, numbers: np.ndarray) -> "Rows":
        """Some of the rows, by their numbers, in the order of these."""
        ids, files = [self.ids[i] for i in numbers], [self.files[i] for i in numbers]
        group = None if self.group is None else self.group[numbers]
        return replace(
            self, ids=ids, files=files, labels=self.labels.take(numbers), split=self.split[numbers], group=group
        )


def merged(rows: Rows, lines: list[str], *, row_per_label: bool) -> Rows:
    """One row an image, with the labels of all its rows where each label has its own; `lines` [N] say where rows stand.

    What says the same again is counted. Raises TrainableError for contradictions.
    """
    by_image: dict[object, list[int]] = defaultdict(list)
    for row, (file, name) in enumerate(zip(rows.files, rows.ids, strict=True)):
        by_image[file if isinstance(file, ImageFile) else (name, file)].append(row)
    repeated = [numbers for numbers in by_image.values() if len(numbers) > 1]
    if not repeated:
        return rows
    if row_per_label:
        rows = replace(rows, labels=rows.labels.united(repeated))
    _refuse_contradictions(rows, repeated, lines, row_per_label)
    kept = rows.take(np.array(sorted(numbers[0] for numbers in by_image.values())))
    if row_per_label:
        return kept
    num = sum(len(numbers) - 1 for numbers in repeated)
    odd = Oddity(f"{plural(num, 'row')} repeated an image with the same labels and counted once", "tables")
    return replace(kept, odd=[*kept.odd, odd])


def _refuse_contradictions(rows: Rows, repeated: list[list[int]], lines: list[str], row_per_label: bool) -> None:
    contradicting = [numbers for numbers in repeated if len({_content(rows, row) for row in numbers}) > 1]
    if contradicting:
        listed = [f"image {rows.ids[n[0]]!r} ({' and '.join(lines[row] for row in n[:3])})" for n in contradicting]
        raise TrainableError(
            f"data.tables: {plural(len(repeated), 'image')} listed more than once, {len(contradicting)} of them with "
            f"different labels, split or group: {first_few(listed, NUM_REPEATS_LISTED)}; keep one row for each"
            f"{'' if row_per_label else ', or give data.row_per: label'}"
        )


def _content(rows: Rows, row: int) -> tuple[object, ...]:
    mask = rows.labels.label_mask
    group = None if rows.group is None else rows.group[row]
    return rows.labels.targets[row].tobytes(), mask is None or mask[row].tobytes(), rows.split[row], group


def with_min_positives(rows: Rows, least: Mapping[Any, int]) -> Rows:
    """The classes that have at least so many positives in each named split. Raises TrainableError when none has."""
    keep = np.ones(len(rows.labels.classes), dtype=bool)
    for split, num in least.items():
        counts = rows.labels.targets[rows.split == SPLITS.index(split)].sum(0, dtype=np.int64)
        keep &= counts >= num
        if not keep.any():
            largest = int(counts.argmax())
            raise TrainableError(
                f"data.min_positives: no class has {num:,} positives in {split} (largest: "
                f"{rows.labels.classes[largest]}, {counts[largest]:,}), so none is left; lower it"
            )
    return rows if keep.all() else replace(rows, labels=rows.labels.keep_classes(keep))
