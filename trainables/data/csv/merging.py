"""From the rows of tables to one row an image: what repeats, a row a label, several readers.

Letters of shapes: N rows, I images, C classes, U units (the statements that are counted, of a row or of a reader).
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evenkeel.trainables.data.csv.columns import Readers
from evenkeel.trainables.data.csv.rows import Rows
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError

NUM_REPEATS_LISTED = 10
"""So many images that are listed twice, with contradictions, does an error name."""


@dataclass(frozen=True)
class MergeRule:
    """How rows of one image become one.

    `row_per_label`: a row speaks of its own labels alone, and what no row speaks of is `unlisted`. `readers`: rows are
    opinions, an image has a label when any of them, the majority or all of them say so; `reader` [N] tells whose a row
    is, None: each is another's. `stated`: rows say of labels that they are absent, too.
    """

    row_per_label: bool = False
    stated: bool = False
    unlisted: Literal["negative", "missing"] | None = None
    readers: Readers | None = None
    reader: list[str] | None = None

    def take(self, numbers: np.ndarray) -> "MergeRule":
        """The rule for some of the rows, by their numbers [M]."""
        return replace(self, reader=self.reader and [self.reader[i] for i in numbers])


def merged(rows: Rows, lines: list[str], rule: MergeRule) -> Rows:
    """One row an image, in the order of their first rows; `lines` [N] say where rows stand.

    What says the same again is counted. Raises TrainableError for contradictions.
    """
    images = _rows_of_images(rows)
    rows = _with_all_captions(rows, images)
    if rule.row_per_label or rule.readers:
        _refuse_contradictions(replace(rows, labels=rows.labels.take(np.zeros(0, int))), images, lines, rule)
        return _with_votes(rows, images, lines, rule)
    repeated = [numbers for numbers in images if len(numbers) > 1]
    if not repeated:
        return rows
    _refuse_contradictions(rows, images, lines, rule)
    kept = rows.take(np.array([numbers[0] for numbers in images]))
    num = len(rows.ids) - len(images)
    odd = Oddity(f"{plural(num, 'row')} repeated an image with the same labels and counted once", "tables")
    return replace(kept, odd=[*kept.odd, odd])


def _rows_of_images(rows: Rows) -> list[list[int]]:
    by_image: dict[object, list[int]] = defaultdict(list)
    for row, (file, name) in enumerate(zip(rows.files, rows.ids, strict=True)):
        by_image[file if isinstance(file, ImageFile) else (name, file)].append(row)
    return list(by_image.values())


def _with_all_captions(rows: Rows, images: list[list[int]]) -> Rows:
    """The rows, each with the sentences of all rows of its image, each once."""
    if rows.captions is None:
        return rows
    captions: list[list[str]] = [[]] * len(rows.ids)
    for numbers in images:
        together = list(dict.fromkeys(sentence for row in numbers for sentence in rows.captions[row]))
        for row in numbers:
            captions[row] = together
    return replace(rows, captions=captions)


def _refuse_contradictions(rows: Rows, images: list[list[int]], lines: list[str], rule: MergeRule) -> None:
    """Raises TrainableError for rows of one image that differ in split, group or, where there are any, labels."""
    repeated = [numbers for numbers in images if len(numbers) > 1]
    contradicting = [numbers for numbers in repeated if len({_content(rows, row) for row in numbers}) > 1]
    if not contradicting:
        return
    listed = [f"image {rows.ids[n[0]]!r} ({' and '.join(lines[row] for row in n[:3])})" for n in contradicting]
    ways = ", or give data.row_per: label, or data.readers: majority (any, all) where rows are opinions of readers"
    raise TrainableError(
        f"data.tables: {plural(len(repeated), 'image')} listed more than once, {len(contradicting)} of them with "
        f"different labels, split or group: {first_few(listed, NUM_REPEATS_LISTED)}; keep one row for each"
        f"{'' if rule.row_per_label or rule.readers else ways}"
    )


def _content(rows: Rows, row: int) -> tuple[object, ...]:
    group = None if rows.group is None else rows.group[row]
    if not len(rows.labels.targets):
        return rows.split[row], group
    mask = rows.labels.label_mask
    return rows.labels.targets[row].tobytes(), mask is None or mask[row].tobytes(), rows.split[row], group


def _with_votes(rows: Rows, images: list[list[int]], lines: list[str], rule: MergeRule) -> Rows:
    image_N = np.empty(len(rows.ids), dtype=np.int64)
    for number, numbers in enumerate(images):
        image_N[numbers] = number
    image_U, yes_UC, no_UC = _opinions(rows, image_N, rule)
    yes_IC = _counted(yes_UC, image_U, len(images))
    no_IC = _counted(no_UC, image_U, len(images))
    if not rule.readers:
        _refuse_disagreement(rows, images, lines, (yes_IC > 0) & (no_IC > 0))
    spoken_IC = (yes_IC > 0) | (no_IC > 0)
    kept = rows.take(np.array([numbers[0] for numbers in images]))
    missing = not spoken_IC.all() and (not rule.row_per_label or rule.unlisted == "missing")
    labels = replace(
        kept.labels,
        targets=decided(yes_IC, no_IC, rule.readers or "any").astype(np.uint8),
        label_mask=spoken_IC if missing else None,
    )
    return replace(kept, labels=labels, odd=[*kept.odd, *_vote_oddities(yes_IC, no_IC, rule)])


def _opinions(rows: Rows, image_N: np.ndarray, rule: MergeRule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The image [U] of each statement, and the labels [U, C] that it says are there, and are not."""
    yes_NC, no_NC = rows.labels.targets == 1, rows.labels.negatives
    if rule.reader is None:
        return image_N, yes_NC, no_NC
    codes = {name: code for code, name in enumerate(dict.fromkeys(rule.reader))}
    pairs = np.stack([image_N, [codes[name] for name in rule.reader]], 1)
    units, unit_N = np.unique(pairs, axis=0, return_inverse=True)
    yes_UC = _counted(yes_NC, unit_N.ravel(), len(units)) > 0
    no_UC = ~yes_UC if not rule.stated else (_counted(no_NC, unit_N.ravel(), len(units)) > 0) & ~yes_UC
    return units[:, 0], yes_UC, no_UC


def _counted(marks: np.ndarray, number: np.ndarray, num: int) -> np.ndarray:
    """How many rows of `marks` [N, C] are set for each `number` [N], [num, C]."""
    counts = np.zeros((num, marks.shape[1]), dtype=np.int32)
    np.add.at(counts, number, marks)
    return counts


def decided(yes: np.ndarray, no: np.ndarray, readers: Readers) -> np.ndarray:
    """Whether an image has a label, by how many say so and how many say not, of any shape.

    any: one says so; all: one says so and none says not; majority: more say so than say not, so that a tie is negative.
    """
    if readers == "any":
        return yes > 0
    return yes > no if readers == "majority" else (yes > 0) & (no == 0)


def _refuse_disagreement(rows: Rows, images: list[list[int]], lines: list[str], both_IC: np.ndarray) -> None:
    if not both_IC.any():
        return
    pairs = [(images[i], rows.labels.classes[c]) for i, c in np.argwhere(both_IC)]
    listed = [f"{rows.ids[n[0]]!r} of {name!r} (first in {lines[n[0]]})" for n, name in pairs]
    raise TrainableError(
        f"data.tables: rows disagree on {plural(len(pairs), 'label')}, image {first_few(listed)}; keep one "
        "row for each, or "
        "give data.readers: majority (any, all) where rows are opinions of readers"
    )


def _vote_oddities(yes_IC: np.ndarray, no_IC: np.ndarray, rule: MergeRule) -> list[Oddity]:
    odd = []
    ties, split = int(((yes_IC == no_IC) & (yes_IC > 0)).sum()), int(((yes_IC > 0) & (no_IC > 0)).sum())
    if rule.readers and split:
        odd.append(Oddity(f"readers differ on {plural(split, 'label')} of images, joined by {rule.readers}", "readers"))
    if rule.readers == "majority" and ties:
        odd.append(Oddity(f"as many readers say yes as no to {plural(ties, 'label')}, which count as no", "readers"))
    unlisted = int(((yes_IC == 0) & (no_IC == 0)).sum())
    if rule.stated and rule.row_per_label and unlisted and rule.unlisted is None:
        odd.append(
            Oddity(f"{plural(unlisted, 'label')} of images without a row count as absent; may be missing", "unlisted")
        )
    return odd
