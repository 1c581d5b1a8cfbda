"""What a study file says of a table of labels with folders or archives of images: keys, and which go together."""

import codecs
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from evenkeel.trainables.data.csv.columns import AllBut, Join
from evenkeel.trainables.data.csv.label_settings import LabelSettings
from evenkeel.trainables.data.csv.split_settings import SplitSettings
from evenkeel.trainables.data.csv.table import DELIMITERS
from evenkeel.trainables.data.image_files import ImageFileSettings
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.settings import SWITCH, PathText, at_home

CLASS_MARK = "{class}"
"""Stands in the name of a table for the class, where each class has a list of its own."""


class CsvSettings(SplitSettings, LabelSettings, ImageFileSettings):
    """The keys of `data: {name: csv}`; a model that is made of them is consistent, its files are not looked at yet."""

    name: Literal["csv"] = "csv"
    root: PathText = Field(description="folder in which all other paths lie")
    tables: dict[Literal["train", "val", "test", "all"], str | list[str]] = Field(
        {},
        description="split, or all -> file under root, several as a list or by `*`, one a class by `{class}`; none: "
        "each folder of images is a class, `label_column: folder`",
    )
    images: dict[str, str | list[str]] = Field(
        {}, description="table or split -> folders, zips or tars of images; none where tables hold the images"
    )
    image_column: str = Field("image_id", description="holds the image's file name, with or without suffix")
    image_pattern: Annotated[str | None, SWITCH] = Field(
        None, description="regular expression: what it finds in image_column is the image's file name"
    )
    image_lists: Annotated[dict[Literal["train", "val", "test", "all"], str], SWITCH] = Field(
        {}, description="table -> file of image ids, a line each, for lists of a class that hold labels alone"
    )
    join: Annotated[list[Join], SWITCH] = Field([], description="tables whose columns are added to the rows of tables")
    grey: bool = Field(False, description="read one channel")
    drop_empty_classes: bool = Field(False, description="leave out classes without a training positive")
    image_name: Annotated[str | None, SWITCH] = Field(None, description="file name around the id, as {}_green.png")
    delimiter: Annotated[str | None, SWITCH] = Field(None, description="of the tables; found out when left out")
    encoding: Annotated[str | None, SWITCH] = Field(None, description="of the tables; UTF-8 when left out")
    columns: Annotated[list[str] | None, SWITCH] = Field(None, description="names, for tables without a header line")

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

    @field_validator("group_pattern", "image_pattern", "label_pattern")
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
        tables: set[str] = {*(self.tables or self.images)}
        for problem in (
            self._table_problem(),
            self.label_problem(),
            self.split_problem(tables),
            self._column_problem(),
        ):
            if problem:
                raise ValueError(problem)
        return self

    def _table_problem(self) -> str | None:
        if not self.tables and not self.images:
            return "give tables, or images in folders that are classes"
        lists = self.class_lists
        if lists and lists != set(self.tables):
            return f"tables: {CLASS_MARK} stands in all of them or in none"
        if lists and self.label_column:
            return f"label_column: with {CLASS_MARK} in tables each file is a class; leave it out"
        if not lists and (self.label_column is None) == (self.label_columns is None):
            return "give exactly one of label_column and label_columns"
        if self.image_lists and not lists:
            return f"image_lists: needs tables with {CLASS_MARK} in their names, a list of labels each"
        return None

    def _column_problem(self) -> str | None:
        used = [self.image_column, self.label_column, self.split_column, self.group_column, self.values_in]
        patterned = {self.group_column} | ({self.image_column} if self.image_pattern and self.label_pattern else set())
        twice = next((c for c in used if c and used.count(c) > 1 and c not in patterned), None)
        return twice and f"the column {twice!r} cannot be two of image, label and split"

    @property
    def called(self) -> str:
        """The name of its folder."""
        return at_home(self.root).name

    @property
    def class_lists(self) -> set[str]:
        """The tables of which each class has a file of its own."""
        return {part for part, name in self.tables.items() if CLASS_MARK in str(name)}

    def named_columns(self) -> set[str]:
        """The columns that the settings speak of."""
        single = (self.image_column, self.label_column, self.split_column, self.group_column, self.values_in)
        labels = self.label_columns
        listed = labels.all_but if isinstance(labels, AllBut) else labels or []
        return {name for name in (*single, self.reader_column, self.caption_column, *listed) if name}

    def path(self, name: str, key: str) -> Path:
        """A file or folder under the root. Raises TrainableError when it is not there."""
        path = at_home(self.root) / name
        if not path.exists():
            raise TrainableError(f"data.{key}: {path} does not exist; correct data.root or data.{key}")
        return path

    def matching(self, pattern: str, key: str) -> list[Path]:
        """The files under the root that a name with `*` means, in order. Raises TrainableError when there is none."""
        if "*" not in pattern:
            return [self.path(pattern, key)]
        root = at_home(self.root)
        paths = sorted(root.glob(pattern))
        if not paths:
            raise TrainableError(f"data.{key}: {root} holds no file {pattern}; correct data.root or data.{key}")
        return paths

    def table_paths(self) -> dict[str, list[Path]]:
        """Table name -> files, of lists of classes all files. Raises TrainableError for one that is not there."""
        listed = {part: [name] if isinstance(name, str) else name for part, name in self.tables.items()}
        return {
            part: [p for name in names for p in self.matching(name.replace(CLASS_MARK, "*"), "tables")]
            for part, names in listed.items()
        }

    def list_paths(self) -> dict[str, Path]:
        """Split -> list of ids."""
        return {split: self.path(name, "split_lists") for split, name in self.split_lists.items()}

    def image_paths(self) -> dict[str, list[Path]]:
        """Table or split name -> folders and archives. Raises TrainableError for a name that is neither."""
        valid = {*SPLITS, *self.tables, "all"}
        for part in self.images:
            if part not in valid:
                raise TrainableError(f"data.images: {part!r} is no table or split; {nearest(part, valid)}")
        listed = {part: [names] if isinstance(names, str) else names for part, names in self.images.items()}
        return {part: [p for name in names for p in self.matching(name, "images")] for part, names in listed.items()}

    def content_paths(self) -> list[tuple[Path, str]]:
        """Every table and list that the settings name, with the key that does, in a fixed order."""
        paths = [(path, "tables") for inside in self.table_paths().values() for path in inside]
        paths += [(path, "split_lists") for path in self.list_paths().values()]
        for key in ("classes_table", "group_table", "split_table", "caption_table"):
            if table := getattr(self, key):
                paths += [(path, f"{key}.file") for path in self.matching(table.file, f"{key}.file")]
        paths += [(self.path(join.file, "join"), "join") for join in self.join]
        return paths + [(self.path(name, "image_lists"), "image_lists") for name in self.image_lists.values()]
