"""The rows of a csv data set as a person checks them: counts, the first rows, what looks odd."""

from collections import Counter

import numpy as np

from evenkeel.trainables.data.csv.dialects import Table, counted, shown
from evenkeel.trainables.data.csv.rows import Listing, Rows
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.data.stratify import rows_of
from evenkeel.trainables.data.summary import ClassCount, DataSummary, Oddity


def summary_of(
    listing: Listing, rows: Rows, num_absent: int, validation: Validation | None, refusal: str | None
) -> DataSummary:
    """The rows as a person checks them."""
    labels = rows.labels
    counts = {name: labels.targets[rows.split == code].sum(0, dtype=np.int64) for code, name in enumerate(SPLITS)}
    classes = [ClassCount(name, *(int(counts[s][c]) for s in SPLITS)) for c, name in enumerate(labels.classes)]
    odd = [*rows.odd, *_split_oddities(rows, counts, validation)]
    if num_absent:
        odd.append(
            Oddity(
                f"{counted(num_absent, 'image')} cannot be found; their rows are left out if they may be skipped",
                "on_bad_image",
            )
        )
    places = {str(file.place.path) for file in rows.files if isinstance(file, ImageFile)}
    return DataSummary(
        tables=[_shown_table(table) for table in listing.tables.values()],
        images=f"{counted(len(rows.ids) - num_absent, 'image')} in {', '.join(sorted(places))}",
        rows={name: int((rows.split == code).sum()) for code, name in enumerate(SPLITS)},
        classes=classes,
        labels_per_image=dict(sorted(Counter(labels.targets.sum(1, dtype=np.int64).tolist()).items())),
        num_missing=0 if labels.known is None else int((~labels.known).sum()),
        first_rows=[_shown_row(rows, row) for row in range(min(3, len(rows.ids)))],
        odd=odd,
        refusal=refusal,
    )


def _shown_table(table: Table) -> str:
    return f"{table.path.name}: {counted(len(table.rows), 'row')}, delimiter {table.delimiter!r}"


def _shown_row(rows: Rows, row: int) -> tuple[str, str, str]:
    file = rows.files[row]
    found = [name for name, on in zip(rows.labels.classes, rows.labels.targets[row], strict=True) if on]
    return file.name if isinstance(file, ImageFile) else rows.ids[row], ", ".join(found), SPLITS[rows.split[row]]


def _split_oddities(rows: Rows, counts: dict[str, np.ndarray], validation: Validation | None) -> list[Oddity]:
    classes = rows.labels.classes
    given = [name for name in ("val", "test") if (rows.split == SPLITS.index(name)).any()]
    odd = [_unscored(classes, counts[name], name, "min_positives") for name in given]
    if validation:
        official = int((rows.split == 1).sum())
        if official:
            odd.append(Oddity(f"the {official:,} val rows of the tables join train, val is carved anew", "validation"))
        carved = rows_of(rows.split, rows.labels.targets, rows.group, validation, 0)["val"]
        wanted = round(validation.fraction * int((rows.split != 2).sum()))
        if abs(len(carved) - wanted) > max(1, 0.25 * wanted):
            odd.append(
                Oddity(f"{counted(len(carved), 'validation row')} where {wanted:,} were asked for", "validation")
            )
        positives = rows.labels.targets[carved].sum(0, dtype=np.int64)
        odd.append(_unscored(classes, positives, "the validation that seed 0 carves", "validation"))
    return [found for found in odd if found]


def _unscored(classes: list[str], positives: np.ndarray, where: str, key: str) -> Oddity | None:
    names = [name for name, num in zip(classes, positives, strict=True) if num == 0]
    if not names:
        return None
    number = counted(len(names), "class", "classes")
    return Oddity(f"{number} without a positive in {where}, unscored there: {shown(names)}", key)
