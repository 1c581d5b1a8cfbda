"""The rows of a csv data set as a person checks them: counts, the first rows, what looks odd."""

from collections import Counter
from dataclasses import replace

import numpy as np

from evenkeel.trainables.data.csv.rows import Listing, Rows
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.image_files import ImageFileSettings
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import SPLITS, ImageSet
from evenkeel.trainables.data.load import refusal_of
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.settings import WAYS_OUT, Validation, without_validation
from evenkeel.trainables.data.stratify import rows_of
from evenkeel.trainables.data.summary import ClassCount, DataSummary, Oddity
from evenkeel.trainables.data.value_range import ValueRange, look_at


def describe_rows(
    data: ImageFileSettings, validation: Validation | None, listing: Listing, rows: Rows, targets: ImageSet
) -> DataSummary:
    """What was understood of a data set, and why it cannot be used, if it cannot; a few images are opened.

    `targets` are the rows as `load` gives them, without their images.
    """
    absent = {row: file for row, file in enumerate(rows.files) if isinstance(file, str)}
    refusal = data.refusal(rows.ids, absent)
    if not validation and not (rows.split == SPLITS.index("val")).any():
        refusal = refusal or f"data: there are no validation images; give {WAYS_OUT}"
    refusal = refusal or refusal_of(targets, validation)
    values, unusable = look_at([file for file in rows.files if isinstance(file, ImageFile)], data.intensity)
    rows = replace(rows, odd=[*rows.odd, unusable]) if unusable else rows
    summary = summary_of(listing, rows, len(absent), validation, refusal, values)
    return replace(summary, label_sets=_label_sets(targets), captions=targets.training_captions(validation))


def _label_sets(targets: ImageSet) -> dict[tuple[str, ...], int]:
    """The labels of train rows, in the order of the data where it has one -> number of such rows."""
    rows = targets.rows("train")
    orders = targets.label_order or [np.flatnonzero(row).tolist() for row in targets.targets]
    return dict(Counter(tuple(targets.classes[c] for c in orders[row]) for row in rows))


def summary_of(
    listing: Listing,
    rows: Rows,
    num_absent: int,
    validation: Validation | None,
    refusal: str | None,
    values: ValueRange | None,
) -> DataSummary:
    """The rows as a person checks them."""
    labels = rows.labels
    counts = {name: labels.targets[rows.split == code].sum(0, dtype=np.int64) for code, name in enumerate(SPLITS)}
    classes = [ClassCount(name, *(int(counts[s][c]) for s in SPLITS)) for c, name in enumerate(labels.classes)]
    odd = [*rows.odd, *_split_oddities(rows, counts, validation)]
    if values and (oddity := values.oddity()):
        odd.append(oddity)
    if num_absent:
        odd.append(
            Oddity(
                f"{plural(num_absent, 'image')} cannot be found; their rows are left out if they may be skipped",
                "on_bad_image",
            )
        )
    values_text = f"; {values}" if values and not values.usual else ""
    sources = sorted({str(file.source.path) for file in rows.files if isinstance(file, ImageFile)})
    place = f" in {', '.join(sources)}" if sources else ""
    return DataSummary(
        tables=[*(_table_line(table) for _, table in listing.tables), *listing.joined],
        images=f"{plural(len(rows.ids) - num_absent, 'image')}{place}{values_text}",
        rows={name: int((rows.split == code).sum()) for code, name in enumerate(SPLITS)},
        classes=classes,
        labels_per_image=dict(sorted(Counter(labels.targets.sum(1, dtype=np.int64).tolist()).items())),
        num_missing=0 if labels.label_mask is None else int((~labels.label_mask).sum()),
        first_rows=[_first_row(rows, row) for row in range(min(3, len(rows.ids)))],
        odd=odd,
        refusal=refusal,
    )


def _table_line(table: Table) -> str:
    return f"{table.path.name}: {plural(len(table.rows), 'row')}, {table.container}"


def _first_row(rows: Rows, row: int) -> tuple[str, str, str]:
    file = rows.files[row]
    positives = [rows.labels.classes[c] for c in np.flatnonzero(rows.labels.targets[row])]
    return file.name if isinstance(file, ImageFile) else rows.ids[row], ", ".join(positives), SPLITS[rows.split[row]]


def _split_oddities(rows: Rows, counts: dict[str, np.ndarray], validation: Validation | None) -> list[Oddity]:
    classes = rows.labels.classes
    official_splits = [name for name in ("val", "test") if (rows.split == SPLITS.index(name)).any()]
    odd = [_unscored(classes, counts[name], name, "min_positives") for name in official_splits]
    odd += [_undivided(rows, rows.split == SPLITS.index(name), name) for name in official_splits]
    if validation and (official := int((rows.split == SPLITS.index("val")).sum())):
        anew = "there is no val" if without_validation(validation) else "val is carved anew"
        odd.append(Oddity(f"the {official:,} val rows of the tables join train, {anew}", "validation"))
    if validation and not without_validation(validation):
        carved = rows_of(rows.split, rows.labels.targets, rows.group, validation, 0)["val"]
        num_wanted = round(validation.fraction * int((rows.split != 2).sum()))
        if abs(len(carved) - num_wanted) > max(1, 0.25 * num_wanted):
            odd.append(
                Oddity(f"{plural(len(carved), 'validation row')} where {num_wanted:,} were asked for", "validation")
            )
        positives = rows.labels.targets[carved].sum(0, dtype=np.int64)
        part = "the validation that seed 0 carves"
        odd += [_unscored(classes, positives, part, "validation"), _undivided(rows, carved, part)]
    return [oddity for oddity in odd if oddity]


def _undivided(rows: Rows, part: np.ndarray, name: str) -> Oddity | None:
    """What to say of classes that every image of a part of the rows (numbers or a mask) has, and not every image."""
    labels = rows.labels.take(part)
    full = labels.targets.any(0) & ~labels.negatives.any(0) & rows.labels.negatives.any(0)
    if not full.any():
        return None
    names = first_few(np.array(rows.labels.classes)[full])
    return Oddity(f"every image of {name} is {names}: nothing can be told apart there", "min_positives")


def _unscored(classes: list[str], positives: np.ndarray, rows: str, key: str) -> Oddity | None:
    names = [name for name, num in zip(classes, positives, strict=True) if num == 0]
    if not names:
        return None
    number = plural(len(names), "class", "classes")
    return Oddity(f"{number} without a positive in {rows}, unscored there: {first_few(names)}", key)
