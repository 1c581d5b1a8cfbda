"""The rows of a csv data set as a person checks them: counts, the first rows, what looks odd."""

from collections import Counter

import numpy as np

from trainables.data.image_set import SPLITS
from trainables.data.places import ImageFile
from trainables.data.rows import Listing, Rows
from trainables.data.settings import Validation
from trainables.data.splits import rows_of
from trainables.data.summary import ClassCount, DataSummary, Oddity
from trainables.data.table import Table, counted, shown


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
        tables=[
            f"{t.path.name}: {counted(len(t.rows), 'row')}, delimiter {t.delimiter!r}" for t in listing.tables.values()
        ],
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
    odd = []
    for name in ("val", "test"):
        unscored = [c for c, n in zip(rows.labels.classes, counts[name], strict=True) if n == 0]
        if unscored and (rows.split == SPLITS.index(name)).any():
            odd.append(
                Oddity(
                    f"{counted(len(unscored), 'class', 'classes')} without a positive in {name}, unscored there: "
                    f"{shown(unscored)}",
                    "min_positives",
                )
            )
    if validation:
        official = int((rows.split == 1).sum())
        if official:
            odd.append(Oddity(f"the {official:,} val rows of the tables join train, val is carved anew", "validation"))
        carved = len(rows_of(rows.split, rows.labels.targets, rows.group, validation, 0)["val"])
        wanted = round(validation.fraction * int((rows.split != 2).sum()))
        if abs(carved - wanted) > max(1, 0.25 * wanted):
            odd.append(Oddity(f"{counted(carved, 'validation row')} where {wanted:,} were asked for", "validation"))
    return odd
