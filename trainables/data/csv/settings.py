"""What a study file says of a table of labels with folders or zips of images: keys, and which go together."""

import codecs
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evenkeel.trainables.data.csv.columns import AllBut, ClassesTable, GroupTable
from evenkeel.trainables.data.csv.dialects import DELIMITERS, content_of
from evenkeel.trainables.data.csv.labels import Meaning
from evenkeel.trainables.data.image_files import ImageFileSettings
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.settings import SWITCH, PathText, at_home


class CsvSettings(ImageFileSettings):
    """The keys of `data: {name: csv}`; a model that is made of them is consistent, its files are not looked at yet."""

    name: Literal["csv"] = "csv"
    root: PathText = Field(description="folder in which all other paths lie")
    tables: dict[Literal["train", "val", "test", "all"], str] = Field(
        {},
        description="split, or all -> file, under root; none: each folder of images is a class, `label_column: folder`",
    )
    images: dict[str, str | list[str]] = Field(min_length=1, description="table or split -> folders or zips of images")
    image_column: str = Field("image_id", description="holds the image's file name, with or without suffix")
    label_column: str | None = Field(None, description="holds an image's labels")
    separator: str | None = Field(None, description="between the labels of one cell; one label a cell if none")
    label_columns: list[str] | AllBut | None = Field(
        None, description="one 0/1 column a class, in place of label_column; or: all but [a, b]"
    )
    classes_table: ClassesTable | None = None
    split_column: str | None = Field(None, description="holds train, val or test")
    group_column: str | None = Field(None, description="rows of a group (a patient) never cross splits")
    test_fraction: float | None = Field(
        None, gt=0, lt=0.9, description="share of the rows carved as test where no split is given"
    )
    validation: Validation | None = None
    min_positives: dict[Literal["train", "val", "test"], int] = Field(
        {}, description="split -> positives that a class must have there to be kept"
    )
    drop_empty_classes: bool = Field(False, description="leave out classes without a training positive")
    grey: bool = Field(False, description="read one channel")
    group_table: Annotated[GroupTable | None, SWITCH] = None
    fold: Annotated[int | None, SWITCH] = Field(
        None,
        ge=0,
        description="which of 1 / test_fraction disjoint folds is the test, from 0 on",
    )
    image_name: Annotated[str | None, SWITCH] = Field(None, description="file name around the id, as {}_green.png")
    delimiter: Annotated[str | None, SWITCH] = Field(None, description="of the tables; found out when left out")
    encoding: Annotated[str | None, SWITCH] = Field(None, description="of the tables; UTF-8 when left out")
    columns: Annotated[list[str] | None, SWITCH] = Field(None, description="names, for tables without a header line")
    none_labels: Annotated[list[str], SWITCH] = Field([], description="labels that mean: no label")
    uncertain: Annotated[Meaning | None, SWITCH] = Field(None, description="what -1 means in label_columns")
    blank: Annotated[Meaning | None, SWITCH] = Field(None, description="what an empty cell means in label_columns")
    split_lists: Annotated[dict[Literal["train", "val", "test"], str], SWITCH] = Field(
        {}, description="split -> file of image ids, a line each; under root"
    )
    split_values: Annotated[dict[str, Literal["train", "val", "test", "skip"]], SWITCH] = Field(
        {}, description="cell of split_column -> train, val, test or skip; `rest` stands for all others"
    )
    row_per: Annotated[Literal["image", "label"], SWITCH] = Field(
        "image", description="label: an image with several labels has a row for each"
    )
    group_pattern: Annotated[str | None, SWITCH] = Field(
        None, description="regular expression: what it finds in group_column is the group"
    )

    @field_validator("label_columns", mode="before")
    @classmethod
    def _all_but(cls, value: Any) -> Any:
        match = re.fullmatch(r"\s*all\s+but\s*\[(.*)\]\s*", value, flags=re.S) if isinstance(value, str) else None
        if isinstance(value, str) and not match:
            raise ValueError(f"must be a list of columns, or all but [a, b], got {value!r}")
        if isinstance(value, list) and (other := next((name for name in value if not isinstance(name, str)), None)):
            raise ValueError(f"a column's name is a text, got {other!r}; put it in quotes")
        return {"all_but": [n.strip().strip("'\"") for n in match[1].split(",") if n.strip()]} if match else value

    @field_validator("label_columns")
    @classmethod
    def _each_column_once(cls, value: list[str] | AllBut | None) -> list[str] | AllBut | None:
        names = value.all_but if isinstance(value, AllBut) else value or []
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice!r} is named twice; name each column once")
        if value == []:
            raise ValueError("name at least one column")
        return value

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and value not in DELIMITERS and len(value) != 1:
            raise ValueError(f"must be one character or one of {', '.join(DELIMITERS)}, got {value!r}")
        return value

    @field_validator("encoding")
    @classmethod
    def _existing_encoding(cls, value: str | None) -> str | None:
        try:
            return value and codecs.lookup(value).name and value
        except LookupError as error:
            raise ValueError(f"unknown encoding {value!r}; for example utf-8, cp1252, latin-1, utf-16") from error

    @field_validator("split_values", mode="before")
    @classmethod
    def _cells_as_texts(cls, value: Any) -> Any:
        return {str(cell): split for cell, split in value.items()} if isinstance(value, dict) else value

    @field_validator("group_pattern")
    @classmethod
    def _regular_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression ({error})") from error
        return value

    @field_validator("image_name")
    @classmethod
    def _holds_the_id(cls, value: str | None) -> str | None:
        if value is not None and "{}" not in value:
            raise ValueError(f"must hold {{}} where the id goes, as {{}}_green.png, got {value!r}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "CsvSettings":
        for problem in (self._label_problem(), self._split_problem()):
            if problem:
                raise ValueError(problem)
        return self

    def _label_problem(self) -> str | None:
        if (self.label_column is None) == (self.label_columns is None):
            return "give exactly one of label_column and label_columns"
        if self.label_columns and self.none_labels:
            return "none_labels: only for label_column; leave the column out of label_columns instead"
        if self.label_column and (self.uncertain or self.blank):
            return f"{'uncertain' if self.uncertain else 'blank'}: only for label_columns; leave it out"
        if self.label_columns and self.row_per == "label":
            return "row_per: label is for label_column; leave it out"
        return None

    def _split_problem(self) -> str | None:
        tables = set(self.tables or self.images)
        if "all" in tables and len(tables) > 1:
            return "tables: all stands alone; name the others train, val and test"
        if self.group_table and self.group_column:
            return "group_table and group_column exclude each other; give one"
        ways = [key for key in ("test_fraction", "split_column", "split_lists") if getattr(self, key)]
        if len(ways) > 1:
            return f"{ways[0]} and {ways[1]} exclude each other; give one"
        if self.split_lists and ("test" in tables or "test" not in self.split_lists):
            return "split_lists: give one table and a list of the test images"
        if self.split_values and not self.split_column:
            return "split_values: needs the split_column whose cells it explains"
        if self.group_pattern and not self.group_column:
            return "group_pattern: needs the group_column in which it looks"
        if self.test_fraction and "test" in tables:
            return "test_fraction and a test table exclude each other; give one"
        if self.test_fraction and len(tables) > 1:
            return "test_fraction needs one table; give a test table instead"
        if not ways and "test" not in tables:
            return "nothing is kept for testing; give split_column, a test table, or test_fraction: 0.2"
        if not self.split_column and tables == {"test"}:
            return "tables: there is nothing to train on; give a train table, or split_column"
        if self.test_fraction and (idle := set(self.min_positives) - {"train"}):
            return f"min_positives.{min(idle)}: needs a split that the tables give, not test_fraction"
        if self.fold is not None and not self.test_fraction:
            return "fold: needs test_fraction, for example 0.2 for five folds"
        if self.fold is not None and self.fold >= (num := round(1 / (self.test_fraction or 1))):
            return f"fold: test_fraction {self.test_fraction} makes {num} folds, counted from 0, got {self.fold}"
        used = [c for c in (self.image_column, self.label_column, self.split_column, self.group_column) if c]
        if twice := next((c for c in used if used.count(c) > 1 and c != self.group_column), None):
            return f"the column {twice!r} cannot be two of image, label and split"
        return None

    def named_columns(self) -> set[str]:
        """The columns that the settings speak of."""
        single = {self.image_column, self.label_column, self.split_column, self.group_column} - {None}
        labels = self.label_columns
        listed = labels.all_but if isinstance(labels, AllBut) else labels or []
        return {str(name) for name in single} | set(listed)

    def path(self, name: str, key: str) -> Path:
        """A file or folder under the root. Raises TrainableError when it is not there."""
        path = at_home(self.root) / name
        if not path.exists():
            raise TrainableError(f"data.{key}: {path} does not exist; correct data.root or data.{key}")
        return path

    def table_paths(self) -> dict[str, Path]:
        """Table name -> file."""
        return {part: self.path(name, "tables") for part, name in self.tables.items()}

    def list_paths(self) -> dict[str, Path]:
        """Split -> list of ids."""
        return {split: self.path(name, "split_lists") for split, name in self.split_lists.items()}

    def image_paths(self) -> dict[str, list[Path]]:
        """Table or split name -> folders and zips. Raises TrainableError for a name that is neither."""
        valid = {*SPLITS, *self.tables, "all"}
        for part in self.images:
            if part not in valid:
                raise TrainableError(f"data.images: {part!r} is no table or split; {nearest(part, valid)}")
        listed = {part: [names] if isinstance(names, str) else names for part, names in self.images.items()}
        return {part: [self.path(name, "images") for name in names] for part, names in listed.items()}

    def contents(self) -> list[bytes]:
        """The bytes of every table and list that the settings name, in a fixed order. Raises TrainableError."""
        paths = [(path, "tables") for path in (*self.table_paths().values(), *self.list_paths().values())]
        for key, table in (("classes_table", self.classes_table), ("group_table", self.group_table)):
            if table:
                paths.append((self.path(table.file, f"{key}.file"), f"{key}.file"))
        return [content_of(path, key) for path, key in paths]
