"""From cells as published to multi-hot targets: lists in a cell, or one column a class."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from evenkeel.trainables.data.csv.label_oddities import separator_oddities, split_labels
from evenkeel.trainables.data.csv.table import is_blank, structure
from evenkeel.trainables.data.phrases import first_few, shortened
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError, nearest

Meaning = Literal["positive", "negative", "missing"]
POSITIVE, NEGATIVE, UNCERTAIN, BLANK, UNREADABLE, MISSING = 1, 0, -1, 2, 3, 4
TARGET_CODES = {"positive": POSITIVE, "negative": NEGATIVE, "missing": MISSING}
WORDS = {
    "true": 1, "yes": 1, "t": 1, "y": 1, "positive": 1, "pos": 1, "present": 1,
    "false": 0, "no": 0, "f": 0, "n": 0, "negative": 0, "neg": 0, "absent": 0,
}  # fmt: skip
LABEL_KEYS = ("choices", "labels", "label", "classes", "class", "category", "categories", "tags")
"""Keys of an object in a cell that hold nothing but its labels."""

TOKEN = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,'"]+)""")


@dataclass(frozen=True)
class Labels:
    """Class names [C], targets [N, C] uint8 and label mask [N, C] bool.

    The mask is False where a label is missing, whose target is 0; None where none is.
    """

    classes: list[str]
    targets: np.ndarray
    label_mask: np.ndarray | None

    def take(self, rows: np.ndarray) -> "Labels":
        """The labels of some rows, by their numbers [M]."""
        mask = None if self.label_mask is None else self.label_mask[rows]
        return replace(self, targets=self.targets[rows], label_mask=mask)

    def keep_classes(self, keep: np.ndarray) -> "Labels":
        """Some of the classes, by a mask [C]."""
        mask = None if self.label_mask is None else self.label_mask[:, keep]
        names = [name for name, kept in zip(self.classes, keep, strict=True) if kept]
        return replace(self, classes=names, targets=self.targets[:, keep], label_mask=mask)

    @property
    def negatives(self) -> np.ndarray:
        """Where a label is said to be absent, [N, C] bool."""
        return (self.targets == 0) if self.label_mask is None else (self.targets == 0) & self.label_mask


def label_lists(cells: list[str], key: str, separator: str | None) -> tuple[list[list[str]], list[Oddity]]:
    """The labels of each cell, those that mean none included, and what looks odd about their separator.

    A column of Python, JSON or numpy lists is read as such, else cells are split at `separator`. Raises TrainableError
    for a column that mixes both, and for cells with structure from which labels cannot be told.
    """
    cells = flat_cells([_unwrapped(cell) for cell in cells], key)
    filled = [cell for cell in cells if cell]
    if any(cell[0] == "[" for cell in filled):  # `null` beside lists is what a program prints of none
        cells = ["" if is_blank(cell) else cell for cell in cells]
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
    lists = [_literal(cell, key) if literal else split_labels(cell, separator) for cell in cells]
    odd = [] if literal else separator_oddities(filled, key, separator)
    return lists, odd


def from_lists(
    lists: list[list[str]], key: str, names: dict[str, str] | None, none: list[str], lines: list[str]
) -> Labels:
    """Targets of label lists. `names` maps labels to the names to show, in order; without it classes are sorted.

    Labels of `none` are classes too, so that what stands beside them can be looked at (`without_none`). Raises
    TrainableError for a label that `names` lacks; `lines` [N] say where each row stands.
    """
    lists = _of_vectors(lists, key, names)
    _refuse_signs(lists, key)
    labels = names or {label: label for label in sorted({label for labels in lists for label in labels})}
    present = {label for row_labels in lists for label in row_labels}
    labels = labels | {label: label for label in none if label in present and label not in labels}
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
    return Labels(list(labels.values()), targets, None)


def _of_vectors(lists: list[list[str]], key: str, names: dict[str, str] | None) -> list[list[str]]:
    """Label lists; those that are rows of zeros and ones, a place a class, by the classes in their order.

    Numbers of classes come once each, zeros and ones of places repeat. Raises TrainableError where no list of classes
    says what the places are.
    """
    width = len(lists[0]) if lists else 0
    vectors = width > 1 and all(len(row) == width and {*row} <= {"0", "1"} for row in lists)
    if not vectors or not any(len({*row}) < width for row in lists):
        return lists
    if names is None or len(names) != width:
        raise TrainableError(
            f"data.label_column: {key} has rows of {width} zeros and ones ({lists[0]}), a place a class; name the "
            f"{width} classes with data.classes_table, or give a column a class"
        )
    return [[label for label, digit in zip(names, row, strict=True) if digit == "1"] for row in lists]


def _refuse_signs(lists: list[list[str]], key: str) -> None:
    """Raises TrainableError for rows of -1, 0 and 1, of which the numbers are no classes."""
    signs = {label for row in lists for label in row}
    if "-1" in signs and signs <= {"-1", "0", "1"}:
        raise TrainableError(
            f"data.label_column: {key} has rows of {', '.join(sorted(signs))} ({next(row for row in lists if row)}), a "
            "place a class; give a column a class with data.label_columns, and data.uncertain for -1"
        )


@dataclass(frozen=True)
class CellMeanings:
    """What cells mean that are neither 0 nor 1: -1 (uncertain), blanks, and cells by their text."""

    uncertain: Meaning | None = None
    blank: Meaning | None = None
    values: Mapping[str, Meaning] = field(default_factory=dict)


def from_columns(columns: dict[str, list[str]], meant: CellMeanings, lines: list[str], key: str) -> Labels:
    """Targets of one column a class: 0 and 1 in any spelling; -1, blanks and other cells as the study says.

    Blanks are negative when only `uncertain` is given (CheXpert: not mentioned). Raises TrainableError, blaming `key`,
    that lists every other value with its count.
    """
    meanings = {cell: TARGET_CODES[meaning] for cell, meaning in meant.values.items()}
    codes = np.empty((len(lines), len(columns)), dtype=np.int8)
    for c, cells in enumerate(columns.values()):
        for cell in set(cells) - meanings.keys():
            meanings[cell] = meaning_of(cell)
        codes[:, c] = [meanings[cell] for cell in cells]
    code_meanings: dict[int, Meaning | None] = {
        UNCERTAIN: meant.uncertain,
        BLANK: meant.blank or (meant.uncertain and "negative"),
        UNREADABLE: None,
        MISSING: "missing",
    }
    _refuse_unclear(columns, codes, code_meanings, lines, key)
    missing = np.zeros(codes.shape, dtype=bool)
    for code, meaning in code_meanings.items():
        if meaning:
            cells_of_code = codes == code
            missing |= cells_of_code & (meaning == "missing")
            codes[cells_of_code] = int(meaning == "positive")
    targets = codes.astype(np.uint8)
    return Labels(list(columns), targets, ~missing if missing.any() else None)


def _refuse_unclear(
    columns: dict[str, list[str]],
    codes: np.ndarray,
    code_meanings: Mapping[int, str | None],
    lines: list[str],
    key: str,
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
        leave = " or leave the column out of data.label_columns," if key == "label_columns" else ""
        way = f"must be 0 or 1: correct the table,{leave} or say what they mean with data.label_values"
        way += " (data.value_from for numbers)" if key == "value_column" else ""
    else:
        keys = [key for code, key in ((UNCERTAIN, "data.uncertain"), (BLANK, "data.blank")) if code in kinds]
        way = f"say what they mean with {' and '.join(keys)}: positive, negative or missing"
    raise TrainableError(
        f"data.{key}: besides 0 and 1 the columns hold {values}, first in {lines[row]}, column {names[c]!r}; {way}"
    )


def meaning_of(cell: str) -> int:
    if is_blank(cell):
        return BLANK
    if cell.lower() in WORDS:
        return WORDS[cell.lower()]
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        return UNREADABLE
    return {1.0: POSITIVE, 0.0: NEGATIVE, -1.0: UNCERTAIN}.get(number, UNREADABLE)


def flat_cells(cells: list[str], key: str) -> list[str]:
    """Cells in which an object of JSON is its list of labels, where that cannot be mistaken: `{"choices": ["a", "b"]}`.

    Raises TrainableError for other objects, naming their keys: a class would be made of each.
    """
    flat = {cell: _flat(cell, key) for cell in set(cells) if re.match(r"\{|\[\s*\{", cell)}
    if all(cell == list_of_labels for cell, list_of_labels in flat.items()):
        return cells
    # One choice stands plain where a tool writes an object for several.
    return [flat.get(cell) or (cell if cell[:1] in ("", "[") else json.dumps([cell])) for cell in cells]


def _unwrapped(cell: str) -> str:
    """A cell whose text of JSON is JSON again, as that."""
    value = structure(cell) if cell.startswith(('"[', '"{')) else None
    return cell if value is None else json.dumps(value, ensure_ascii=False)


def _flat(cell: str, key: str) -> str:
    value = structure(cell)
    if isinstance(value, dict) and (flagged := _flagged(value)) is not None:
        return json.dumps(flagged, ensure_ascii=False)
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) for item in items):
        return cell
    names = list(dict.fromkeys(name for item in items for name in item))
    labels = value.get(names[0]) if isinstance(value, dict) and len(names) == 1 else None
    labels = [labels] if isinstance(labels, str) else labels
    if names and names[0] in LABEL_KEYS and isinstance(labels, list) and all(isinstance(n, str) for n in labels):
        return json.dumps(labels, ensure_ascii=False)
    likely = (name for name in names if re.search("label|choice|class|categor|tag|name", name, flags=re.I))
    example = next(likely, names[0] if names else "labels")
    raise TrainableError(
        f"data.label_column: {key} has {shortened(cell)!r}, an object of JSON with the keys "
        f"{first_few(map(repr, names), 8)}; say "
        f"which of them holds the labels, as data.label_column: {key}.{example}"
    )


def _flagged(value: dict[str, Any]) -> list[str] | None:
    """The labels of an object that says of each whether it is there, `{"cat": true, "dog": false}`; None of another."""
    if not value or any(name in LABEL_KEYS or flag not in (0, 1) for name, flag in value.items()):
        return None
    sure = len(value) > 1 or all(isinstance(flag, bool) for flag in value.values())
    return [name for name, flag in value.items() if flag] if sure else None


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
