"""What looks odd about labels: a separator that may be meant, words for none, classes that say nothing."""

import re
from collections import Counter

import numpy as np

from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.summary import Oddity

SEPARATORS = (";", "|", ",", "/", "\t", "+", "&", " ")
NONE_WORDS = {
    "no finding",
    "no findings",
    "no_finding",
    "nofinding",
    "none",
    "n/a",
    "na",
    "nan",
    "null",
    "-",
    "no label",
}


def separator_oddities(filled: list[str], key: str, separator: str | None) -> list[Oddity]:
    """What is odd about the separator of a column `key`, of which these cells are not empty."""
    distinct = set(filled)
    if separator and any(separator in cell for cell in distinct):
        return []
    likely = likely_separator(distinct, but=separator)
    if separator:
        hint = f"; is {likely!r} the separator?" if likely else " (one label an image?)"
        return [Oddity(f"the separator {separator!r} occurs in none of {len(filled):,} cells{hint}", "separator")]
    if not likely:
        return []
    example = next(cell for cell in sorted(distinct, key=lambda cell: (-len(cell), cell)) if likely in cell)
    return [
        Oddity(
            f"without a separator {key} has {plural(len(distinct), 'class', 'classes')} such as {example!r}; "
            f"is {likely!r} the separator?",
            "separator",
        )
    ]


def likely_separator(distinct: set[str], *, but: str | None = None) -> str | None:
    """What seems to stand between the labels of cells; None where each cell seems to be one label."""
    return next((separator for separator in SEPARATORS if separator != but and _joins(distinct, separator)), None)


def _joins(distinct: set[str], separator: str) -> bool:
    """Whether splitting there would make fewer classes: the same pieces come in several combinations."""
    pieces = {piece for cell in distinct for piece in split_labels(cell, separator)}
    return any(separator in cell for cell in distinct) and len(pieces) < len(distinct)


def split_labels(cell: str, separator: str | None) -> list[str]:
    """The labels of a cell without structure."""
    return [label.strip() for label in (cell.split(separator) if separator else [cell]) if label.strip()]


def none_oddities(classes: list[str], targets: np.ndarray, none: list[str]) -> list[Oddity]:
    """What is odd about labels that mean none, or may mean it, in targets [N, C] of one row an image."""
    num_labels = targets.sum(1, dtype=np.int64)
    alone, together = Counter[str](), Counter[str]()
    for c, label in enumerate(classes):
        if label in none or label.lower() in NONE_WORDS:
            alone[label] = int((num_labels[targets[:, c] == 1] == 1).sum())
            together[label] = int((num_labels[targets[:, c] == 1] > 1).sum())
    odd = [
        Oddity(f"{label!r} stands beside other labels in {plural(n, 'row')} and is ignored there", "none_labels")
        for label, n in together.items()
        if label in none and n
    ]
    odd += [
        Oddity(f"{label!r} is a class of {plural(n, 'image')}; if it means no label, say so", "none_labels")
        for label, n in (alone + together).items()
        if label not in none
    ]
    absent = [label for label in none if not alone[label] and not together[label]]
    return odd + [Oddity(f"{first_few(map(repr, absent))} occurs nowhere", "none_labels")] if absent else odd


def _made_of(names: set[str], name: str) -> bool:
    """Whether a name is several of the names with a sign between them."""
    pieces = [piece.strip() for piece in re.split(r"[;|,/\t+&]", name)]
    return len(pieces) > 1 and {*pieces} <= names


def class_oddities(names: list[str], targets: np.ndarray) -> list[Oddity]:
    """What is odd about classes, by their names [C] and targets [N, C] of one row an image."""
    counts = targets.sum(0, dtype=np.int64)
    odd = []
    once = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if once:
        number = plural(len(once), "class", "classes")
        odd.append(Oddity(f"{number} with a single image: {first_few(once)}", "min_positives"))
    full = [name for name, count in zip(names, counts, strict=True) if count == len(targets)]
    if full:
        odd.append(Oddity(f"every image is {first_few(full)}: nothing can be told apart there", "label_columns"))
    if joined := [name for name in names if _made_of({*names}, name)]:
        number = plural(len(joined), "class", "classes")
        odd.append(
            Oddity(f"{number} made of names of others: {first_few(joined)}; more than one separator?", "separator")
        )
    spelled = Counter(re.sub(r"[\s_-]+", " ", name).lower() for name in names)
    alike = [name for name in names if spelled[re.sub(r"[\s_-]+", " ", name).lower()] > 1]
    if alike:
        odd.append(Oddity(f"classes that differ only in case, blanks or dashes: {first_few(alike)}", "classes_table"))
    return odd
