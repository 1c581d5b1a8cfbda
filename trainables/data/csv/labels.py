"""From cells as published to multi-hot targets: lists in a cell, or one column a class."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evenkeel.trainables.data.csv.dialects import is_blank
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError, nearest

Meaning = Literal["positive", "negative", "missing"]
SEPARATORS = (";", "|", ",", "/", "\t", "+", "&", " ")
POSITIVE, NEGATIVE, UNCERTAIN, BLANK, UNREADABLE = 1, 0, -1, 2, 3
WORDS = {
    "true": 1, "yes": 1, "t": 1, "y": 1, "positive": 1, "pos": 1, "present": 1,
    "false": 0, "no": 0, "f": 0, "n": 0, "negative": 0, "neg": 0, "absent": 0,
}  # fmt: skip
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
TOKEN = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"]+)""")


@dataclass(frozen=True)
class Labels:
    """Class names [C], targets [N, C] uint8, label mask [N, C] bool, and what looked odd.

    The mask is False where a label is missing, whose target is 0; None where none is.
    """

    classes: list[str]
    targets: np.ndarray
    label_mask: np.ndarray | None
    odd: list[Oddity]

    def take(self, rows: np.ndarray) -> "Labels":
        """The labels of some rows, by their numbers."""
        mask = None if self.label_mask is None else self.label_mask[rows]
        return replace(self, targets=self.targets[rows], label_mask=mask)

    def keep_classes(self, keep: np.ndarray) -> "Labels":
        """Some of the classes, by a mask [C]."""
        mask = None if self.label_mask is None else self.label_mask[:, keep]
        names = [name for name, kept in zip(self.classes, keep, strict=True) if kept]
        return replace(self, classes=names, targets=self.targets[:, keep], label_mask=mask)

    def united(self, groups: Iterable[list[int]]) -> "Labels":
        """Every row of a group of rows with the positives of the whole group."""
        targets = self.targets.copy()
        for rows in groups:
            targets[rows] = targets[rows].max(0)
        return replace(self, targets=targets)


def label_lists(
    cells: list[str], key: str, separator: str | None, none: list[str]
) -> tuple[list[list[str]], list[Oddity]]:
    """The labels of each cell, without those that mean none.

    A column of Python, JSON or numpy lists is read as such, else cells are split at `separator`. Raises TrainableError
    for a column that mixes both.
    """
    filled = [cell for cell in cells if cell]
    quoted = [cell for cell in filled if re.fullmatch(r"""[\[({]\s*['"].*['"]\s*,?\s*[\])}]""", cell)]
    literal = bool(filled) and all(cell[0] == "[" and cell[-1] == "]" for cell in filled)
    if quoted and not literal:
        plain = next((cell for cell in filled if not re.fullmatch(r"[\[({].*[\])}]", cell)), None)
        if plain is not None:
            raise TrainableError(
                f"data.label_column: {key} has lists as a program prints them ({quoted[0]!r}) beside other cells "
                f"({plain!r}); write all in one way"
            )
        literal = True
    lists = [_literal(cell, key) if literal else _split(cell, separator) for cell in cells]
    odd = [] if literal else _separator_oddities(filled, key, separator)
    odd += _none_oddities(lists, none)
    return [[label for label in labels if label not in set(none)] for labels in lists], odd


def from_lists(lists: list[list[str]], key: str, names: dict[str, str] | None, lines: list[str]) -> Labels:
    """Targets of label lists. `names` maps labels to the names to show, in order; without it classes are sorted.

    Raises TrainableError for a label that `names` lacks; `lines` [N] say where each row stands.
    """
    labels = names or {label: label for label in sorted({label for labels in lists for label in labels})}
    codes = {label: i for i, label in enumerate(labels)}
    targets = np.zeros((len(lists), len(labels)), dtype=np.uint8)
    for row, row_labels in enumerate(lists):
        for label in row_labels:
            if label not in codes:
                raise TrainableError(
                    f"data.label_column: {lines[row]} has label {label!r} in {key}, which no class list names; "
                    f"{nearest(label, codes)}"
                )
            targets[row, codes[label]] = 1
    return Labels(list(labels.values()), targets, None, _class_oddities(list(labels.values()), targets))


def from_columns(
    columns: dict[str, list[str]], uncertain: Meaning | None, blank: Meaning | None, lines: list[str]
) -> Labels:
    """Targets of one column a class: 0 and 1 in any spelling; -1 and blanks as the study says.

    Blanks are negative when only `uncertain` is given (CheXpert: not mentioned). Raises TrainableError that lists every
    other value with its count.
    """
    meanings: dict[str, int] = {}
    codes = np.empty((len(lines), len(columns)), dtype=np.int8)
    for c, cells in enumerate(columns.values()):
        for cell in set(cells) - meanings.keys():
            meanings[cell] = _meaning(cell)
        codes[:, c] = [meanings[cell] for cell in cells]
    code_meanings = {UNCERTAIN: uncertain, BLANK: blank or (uncertain and "negative"), UNREADABLE: None}
    _refuse_unclear(columns, codes, code_meanings, lines)
    missing = np.zeros(codes.shape, dtype=bool)
    for code, meaning in code_meanings.items():
        if meaning:
            cells_of_code = codes == code
            missing |= cells_of_code & (meaning == "missing")
            codes[cells_of_code] = int(meaning == "positive")
    targets = codes.astype(np.uint8)
    return Labels(list(columns), targets, ~missing if missing.any() else None, _class_oddities(list(columns), targets))


def _refuse_unclear(
    columns: dict[str, list[str]], codes: np.ndarray, code_meanings: Mapping[int, str | None], lines: list[str]
) -> None:
    unclear = np.argwhere(np.isin(codes, [code for code, meaning in code_meanings.items() if meaning is None]))
    if not len(unclear):
        return
    names = list(columns)
    counts = Counter(columns[names[c]][row] for row, c in unclear)
    values = ", ".join(f"{repr(cell) if cell else 'blank'} ({n:,} times)" for cell, n in counts.most_common(6))
    row, c = unclear[0]
    kinds = set(codes[unclear[:, 0], unclear[:, 1]].tolist())
    if UNREADABLE in kinds:
        way = "must be 0 or 1: correct the table, or leave the column out of data.label_columns"
    else:
        keys = [key for code, key in ((UNCERTAIN, "data.uncertain"), (BLANK, "data.blank")) if code in kinds]
        way = f"say what they mean with {' and '.join(keys)}: positive, negative or missing"
    raise TrainableError(
        f"data.label_columns: besides 0 and 1 the columns hold {values}, first in {lines[row]}, column {names[c]!r}; "
        f"{way}"
    )


def _meaning(cell: str) -> int:
    if is_blank(cell):
        return BLANK
    if cell.lower() in WORDS:
        return WORDS[cell.lower()]
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        return UNREADABLE
    return {1.0: POSITIVE, 0.0: NEGATIVE, -1.0: UNCERTAIN}.get(number, UNREADABLE)


def _split(cell: str, separator: str | None) -> list[str]:
    return [label.strip() for label in (cell.split(separator) if separator else [cell]) if label.strip()]


def _literal(cell: str, key: str) -> list[str]:
    """The items of a list as Python, JSON or numpy print it."""
    inside = cell[1:-1].strip()
    if not inside:
        return []
    tokens = list(TOKEN.finditer(inside))
    between = TOKEN.sub("", inside)
    bare = not any(token[3] is None for token in tokens)
    if re.search(r"[^\s,]", between):
        raise TrainableError(
            f"data.label_column: {key} has {cell!r}, a list that cannot be read; write labels and a separator"
        )
    if bare and "," in inside:
        return [item.strip() for item in inside.split(",") if item.strip()]
    items = [_unescaped(token) for token in tokens if token[3] is None or not is_blank(token[3])]
    return [item.strip() for item in items if item.strip()]


def _unescaped(token: re.Match[str]) -> str:
    if token[3] is not None:
        return token[3]
    if token[2] is not None:
        try:
            return str(json.loads(token[0]))
        except ValueError:
            pass
    return re.sub(r"\\(.)", r"\1", token[1] if token[1] is not None else token[2])


def _separator_oddities(filled: list[str], key: str, separator: str | None) -> list[Oddity]:
    distinct = set(filled)
    if separator and any(separator in cell for cell in distinct):
        return []
    likely = [s for s in SEPARATORS if s != separator and _joins(distinct, s)]
    if separator:
        hint = f"; is {likely[0]!r} the separator?" if likely else " (one label an image?)"
        return [Oddity(f"the separator {separator!r} occurs in none of {len(filled):,} cells{hint}", "separator")]
    if not likely:
        return []
    example = next(cell for cell in sorted(distinct, key=lambda cell: (-len(cell), cell)) if likely[0] in cell)
    return [
        Oddity(
            f"without a separator {key} has {plural(len(distinct), 'class', 'classes')} such as {example!r}; "
            f"is {likely[0]!r} the separator?",
            "separator",
        )
    ]


def _joins(distinct: set[str], separator: str) -> bool:
    """Whether splitting there would make fewer classes: the same pieces come in several combinations."""
    pieces = {piece for cell in distinct for piece in _split(cell, separator)}
    return any(separator in cell for cell in distinct) and len(pieces) < len(distinct)


def _none_oddities(lists: list[list[str]], none: list[str]) -> list[Oddity]:
    alone, together = Counter[str](), Counter[str]()
    for labels in lists:
        for label in set(labels):
            if label in none or label.lower() in NONE_WORDS:
                (alone if len(set(labels)) == 1 else together)[label] += 1
    odd = [
        Oddity(f"{label!r} stands beside other labels in {plural(n, 'row')} and is ignored there", "none_labels")
        for label, n in together.items()
        if label in none
    ]
    odd += [
        Oddity(f"{label!r} is a class of {plural(n, 'image')}; if it means no label, say so", "none_labels")
        for label, n in (alone + together).items()
        if label not in none
    ]
    absent = [label for label in none if label not in alone and label not in together]
    return odd + [Oddity(f"{first_few(map(repr, absent))} occurs nowhere", "none_labels")] if absent else odd


def _class_oddities(classes: Iterable[str], targets: np.ndarray) -> list[Oddity]:
    names = list(classes)
    counts = targets.sum(0, dtype=np.int64)
    odd = []
    once = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if once:
        number = plural(len(once), "class", "classes")
        odd.append(Oddity(f"{number} with a single image: {first_few(once)}", "min_positives"))
    full = [name for name, count in zip(names, counts, strict=True) if count == len(targets)]
    if full:
        odd.append(Oddity(f"every image is {first_few(full)}: nothing can be told apart there", "label_columns"))
    spelled = Counter(re.sub(r"[\s_-]+", " ", name).lower() for name in names)
    alike = [name for name in names if spelled[re.sub(r"[\s_-]+", " ", name).lower()] > 1]
    if alike:
        odd.append(Oddity(f"classes that differ only in case, blanks or dashes: {first_few(alike)}", "classes_table"))
    return odd
