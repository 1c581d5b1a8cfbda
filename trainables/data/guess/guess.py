"""The keys of `data:` for a folder: guessed from what lies there, then read once, so that a wrong guess is seen."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evenkeel.trainables.data.csv.data_set import CsvTable
from evenkeel.trainables.data.csv.label_oddities import NONE_WORDS, likely_separator
from evenkeel.trainables.data.csv.labels import BLANK, NEGATIVE, UNCERTAIN, label_lists, meaning_of
from evenkeel.trainables.data.csv.listing import FOLDER_COLUMN
from evenkeel.trainables.data.csv.row_values import confidence_span, likely_cut
from evenkeel.trainables.data.csv.table import is_blank
from evenkeel.trainables.data.guess import columns as meaning
from evenkeel.trainables.data.guess.contents import Contents, look_into, split_of
from evenkeel.trainables.data.guess.tables import (
    NO_TEST,
    MainTables,
    class_lists,
    class_table,
    id_lists,
    labels_beside,
    main_tables,
    split_table,
)
from evenkeel.trainables.data.image_lookup import is_image
from evenkeel.trainables.data.phrases import first_few
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.errors import TrainableError

FRACTION = 0.2
MIN_BINARY = 3
"""So many columns of 0 and 1 are classes even beside a column that is called label."""


@dataclass
class Guess:
    """Keys of `data:`, and key -> what to check there; `summary` is what the keys read, None where they cannot."""

    keys: dict[str, Any]
    unsure: dict[str, list[str]] = field(default_factory=dict)
    summary: DataSummary | None = None

    def doubt(self, key: str, text: str) -> None:
        """Note that a key may not be what is meant."""
        self.unsure.setdefault(key, []).append(text)


def guess_data(root: Path) -> Guess:
    """Keys that read the images under a folder. Raises TrainableError for a folder without images."""
    contents = look_into(root.resolve())
    if not contents.image_names and not any(table.pictures for table in contents.tables):
        raise TrainableError(f"{root}: there are no images, in folders, zips, tars or Parquet")
    guess = Guess({"name": "csv", "root": str(root)})
    lists = class_lists(contents)
    main = None if lists else main_tables(contents)
    if lists:
        _by_class_lists(guess, contents, lists)
    elif main:
        _by_tables(guess, contents, main)
    else:
        _by_folders(guess, contents)
    for text in contents.unread:
        guess.doubt("tables", f"not read: {text}")
    _settle(guess)
    return guess


def _by_folders(guess: Guess, contents: Contents) -> None:
    """Each folder of images is a class; folders called train and test are splits."""
    splits = {split_of(source.path.name): contents.name(source.path) for source in contents.sources}
    if {"train", "test"} <= splits.keys() and None not in splits:
        guess.keys["images"] = {str(split): name for split, name in splits.items()}
    else:
        parents = {str(Path(name).parent) for name in contents.image_names if is_image(name)}
        whole = any(source.path.is_dir() for source in contents.sources) and "." in parents
        names = [contents.name(source.path) for source in contents.sources]
        guess.keys["images"] = {"all": "." if whole or len(names) > 1 and _all_folders(contents) else _one(names)}
        guess.keys["test_fraction"] = FRACTION
    guess.keys["label_column"] = FOLDER_COLUMN
    guess.doubt("label_column", "no table names these images: the folder of an image is its class")


def _by_class_lists(guess: Guess, contents: Contents, lists: dict[str, str]) -> None:
    """A file a class, with 1, -1 or 0 beside each image."""
    test = lists.get("test") or lists["val"]
    guess.keys |= {"tables": {"train": lists["train"], "test": test}, "images": _images(contents, None)}
    guess.keys["uncertain"] = "negative"
    guess.doubt("uncertain", "what -1 means: negative, positive or missing")
    if "test" not in lists:
        guess.doubt("tables", NO_TEST)


def _all_folders(contents: Contents) -> bool:
    return all(source.path.is_dir() for source in contents.sources)


def _by_tables(guess: Guess, contents: Contents, main: MainTables) -> None:
    guess.keys["tables"] = {part: _one([contents.name(t.path) for t in tables]) for part, tables in main.tables.items()}
    if main.doubt:
        guess.doubt("tables", main.doubt)
    if main.columns:
        guess.keys["columns"] = main.columns
        guess.doubt("columns", "the table has no header line: name its columns, classes among them")
    if not main.pictures:
        guess.keys["images"] = _images(contents, main)
    guess.keys["image_column"] = main.image_column
    if main.image_name:
        guess.keys["image_name"] = main.image_name
        guess.doubt("image_name", "several files an image: this is the first kind of them")
    columns = {name: cells for name, cells in main.cells.items() if name != main.image_column}
    _splits(guess, contents, main, columns)
    if group := meaning.group_column(columns):
        guess.keys["group_column"] = group
        guess.doubt("group_column", "rows that are alike there never cross splits")
        columns.pop(group)
    _labels(guess, contents, main, columns)
    used = {table.path for tables in main.tables.values() for table in tables}
    left = [contents.name(table.path) for table in contents.tables if table.path not in used]
    if left := [name for name in left if name not in str(guess.keys)]:
        guess.doubt("tables", f"not used: {first_few(left)} (join adds the columns of other tables)")


def _images(contents: Contents, main: MainTables | None) -> dict[str, Any]:
    """The sources of the images: one for each table where ids name no folder, else all for all."""
    names = [contents.name(source.path) for source in contents.sources]
    splits = {split_of(name): name for name in names}
    if main and set(main.tables) == set(splits) and not any("/" in cell for cell in main.cells[main.image_column]):
        return {part: splits[part] for part in main.tables}
    return {"all": "." if len(names) > 1 and _all_folders(contents) else _one(names)}


def _splits(guess: Guess, contents: Contents, main: MainTables, columns: dict[str, list[str]]) -> None:
    if "test" in main.tables:
        return
    if column_and_values := meaning.split_column(columns):
        name, values = column_and_values
        guess.keys["split_column"] = name
        columns.pop(name)
    elif table := split_table(contents, main):
        guess.keys["split_table"], values = table
    elif lists := id_lists(contents, main):
        guess.keys["split_lists"], values = lists, {}
    else:
        guess.keys["test_fraction"] = FRACTION
        guess.doubt("test_fraction", "nothing says which images are for testing: a share of them is carved")
        return
    if values:
        guess.keys["split_values"] = values
        guess.doubt("split_values", "what the cells of the split mean")
    column = guess.keys.get("split_column")
    cells = {cell: values.get(cell) or split_of(cell) for cell in set(main.cells[column])} if column else {}
    if column and "test" not in cells.values():
        guess.keys["split_values"] = {cell: "test" if split == "val" else split for cell, split in cells.items()}
        guess.doubt("split_values", NO_TEST)


def _labels(guess: Guess, contents: Contents, main: MainTables, columns: dict[str, list[str]]) -> None:
    binary, named = meaning.class_columns(columns), meaning.label_column(columns)
    joined = None if len(binary) > 1 or (named and named[1]) else labels_beside(contents, main)
    if joined:
        guess.keys["join"], columns = [joined[0]], joined[1]
        guess.doubt("join", "rows without a partner are left out")
        binary, named = meaning.class_columns(columns), meaning.label_column(columns)
    if len(binary) >= (MIN_BINARY if named and named[1] else 2):
        _classes(guess, main, binary, columns)
        return
    if named is None:
        guess.doubt("label_column", f"no column looks like labels; one of {first_few(columns)}?")
        guess.keys["label_column"] = next(iter(columns), main.image_column)
        return
    name, sure = named
    guess.keys["label_column"] = name
    unused = [other for other in columns if other != name]
    if not sure and unused:
        guess.doubt("label_column", f"or {first_few(unused)}?")
    _cells(guess, contents, name, columns[name])
    if not joined:
        _rows_of_an_image(guess, main, name, columns)


def _classes(guess: Guess, main: MainTables, binary: list[str], columns: dict[str, list[str]]) -> None:
    """A column a class: what -1 is, and how several rows of an image become one."""
    guess.keys["label_columns"] = binary
    if unused := [name for name in columns if name not in binary]:
        guess.doubt("label_columns", f"no classes: {first_few(unused)}")
    codes = {meaning_of(cell) for name in binary for cell in set(columns[name])}
    if UNCERTAIN in codes:
        guess.keys["uncertain"] = "missing" if codes & {NEGATIVE, BLANK} else "negative"
        guess.doubt("uncertain", "what -1 means: missing, negative or positive")
    if BLANK in codes and NEGATIVE not in codes:
        guess.keys["blank"] = "negative"
        guess.doubt("blank", "what an empty cell means: negative, missing or positive")
    if "join" in guess.keys:
        return
    rows = set(zip(main.cells[main.image_column], *(columns[name] for name in binary), strict=True))
    if max(Counter(image for image, *_ in rows).values()) > 1:
        guess.keys["readers"] = "majority"
        guess.doubt("readers", "images come in several rows that differ: opinions of readers?")


def _cells(guess: Guess, contents: Contents, name: str, cells: list[str]) -> None:
    """Separator, words for no label, and the table of classes that the cells speak of."""
    filled = {cell for cell in cells if not is_blank(cell)}
    separator = None if any(cell.startswith("[") for cell in filled) else likely_separator(filled)
    if separator:
        guess.keys["separator"] = separator
        guess.doubt("separator", f"several labels a cell of {name}")
    labels = {label for several in label_lists(sorted(filled), name, separator)[0] for label in several}
    if none := sorted(label for label in labels if label.lower() in NONE_WORDS):
        guess.keys["none_labels"] = none
        guess.doubt("none_labels", "words that seem to mean: no label")
    if table := class_table(contents, labels - set(none)):
        guess.keys["classes_table"] = table


def _rows_of_an_image(guess: Guess, main: MainTables, name: str, columns: dict[str, list[str]]) -> None:
    """A row a label, where images come more than once with other labels."""
    pairs = set(zip(main.cells[main.image_column], columns[name], strict=True))
    if max(Counter(image for image, _ in pairs).values()) == 1:
        return
    guess.keys["row_per"] = "label"
    guess.doubt("row_per", "images come in several rows: a row for each label")
    values = [other for other in meaning.binary_columns(columns) if other != name]
    spans = {other: span for other, cells in columns.items() if (span := confidence_span(other, cells))}
    sure = [other for other in spans if other != name]
    guess.keys["value_column"] = [*values, *sure, "none"][0]
    if sure and not values:
        guess.keys["value_from"] = likely_cut(spans[sure[0]])
        guess.doubt("value_from", "from how much on a label counts as there")
    guess.doubt("value_column", "the column that says whether the label is there")


def _one(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _settle(guess: Guess) -> None:
    """Read what the keys say, mend what that shows, and note what is still odd or refused."""
    refusal = _read(guess)
    while _mended(guess, refusal or ""):
        refusal = _read(guess)
    if refusal:
        guess.doubt("name", f"refused: {refusal}")
    for oddity in guess.summary.odd if guess.summary else ():
        guess.doubt(oddity.key, oddity.text)


def _mended(guess: Guess, refusal: str) -> bool:
    """Whether a key was changed that another reading may accept."""
    split_key = next((key for key in ("split_column", "split_table", "split_lists") if key in guess.keys), None)
    if "validation" not in guess.keys and not (guess.summary and guess.summary.rows["val"]):
        guess.keys["validation"] = {"fraction": FRACTION}
    elif "data.drop_empty_classes" in refusal and "drop_empty_classes" not in guess.keys:
        guess.keys["drop_empty_classes"] = True
        guess.doubt("drop_empty_classes", "classes without a training image are left out")
    elif "groups must not cross splits" in refusal and split_key:
        guess.keys = {key: value for key, value in guess.keys.items() if key not in (split_key, "split_values")}
        guess.keys["test_fraction"] = FRACTION
        guess.doubt("test_fraction", f"{split_key} is not used: groups cross its splits; test is carved by group")
    else:
        return False
    return True


def _read(guess: Guess) -> str | None:
    """Why the keys cannot be read; None where they can, and `guess.summary` is what was understood."""
    try:
        guess.summary = CsvTable.model_validate(guess.keys).describe()
        return guess.summary.refusal
    except (TrainableError, ValueError) as error:
        guess.summary = None
        return " ".join(str(error).split())
