"""The rows of a csv data set, before any image is decoded: as the tables list them, and one an image.

Letters of shapes: N rows, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evenkeel.trainables.data.csv.labels import Labels
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError


@dataclass(frozen=True)
class Listing:
    """All rows of all tables in order, [N] each: name of the table, its line, image id, file (or why there is none).

    `tables` go by the part they belong to, `joined` says of each table that was joined how many rows found a partner
    there. `split_cells` are as they are written, none without a split column; `captions` are each row's sentences.
    """

    tables: list[tuple[str, Table]]
    joined: list[str]
    parts: list[str]
    lines: list[str]
    ids: list[str]
    split_cells: list[str]
    files: list[ImageFile | str]
    captions: list[list[str]] | None = None

    def cells(self, column: str, key: str, remarks: Mapping[str, str] | None = None) -> list[str]:
        """The cells of a column in all tables, [N]; `remarks` say more where the table of a part lacks it.

        Raises TrainableError, blaming `key`.
        """
        remarks = remarks or {}
        return [cell for part, table in self.tables for cell in table.column(column, key, remarks.get(part, ""))]


@dataclass(frozen=True)
class Rows:
    """One row an image: id, file (or why there is none), labels [N, C], split [N], group [N], what looked odd.

    `captions` [N] are the sentences that describe each, None where no column holds them.
    """

    ids: list[str]
    files: list[ImageFile | str]
    labels: Labels
    split: np.ndarray
    group: np.ndarray | None
    odd: list[Oddity]
    captions: list[list[str]] | None = None

    def take(self, numbers: np.ndarray) -> "Rows":
        """Some of the rows, by their numbers [M], in the order of these."""
        ids, files = [self.ids[i] for i in numbers], [self.files[i] for i in numbers]
        group = None if self.group is None else self.group[numbers]
        captions = self.captions and [self.captions[i] for i in numbers]
        labels, split = self.labels.take(numbers), self.split[numbers]
        return replace(self, ids=ids, files=files, labels=labels, split=split, group=group, captions=captions)


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
