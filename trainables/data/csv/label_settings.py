"""What a study file says of labels in tables."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from evenkeel.trainables.data.csv.columns import AllBut, CaptionTable, ClassesTable, Readers
from evenkeel.trainables.data.csv.labels import CellMeanings, Meaning
from evenkeel.trainables.settings import SWITCH, Settings

NO_COLUMN = "none"
"""Says in `value_column` that no column holds whether a label is there."""


class LabelSettings(Settings):
    """In which columns labels stand, how they are written, and what rows of one image mean together."""

    label_column: str | None = Field(
        None, description="holds an image's labels; `column.a.b` finds them inside cells of JSON"
    )
    separator: str | None = Field(None, description="between the labels of one cell; one label a cell if none")
    label_columns: list[str] | AllBut | None = Field(
        None, description="one 0/1 column a class, in place of label_column; or: all but [a, b]"
    )
    classes_table: ClassesTable | None = None
    label_pattern: Annotated[str | None, SWITCH] = Field(
        None, description="regular expression: what it finds in label_column is the label"
    )
    none_labels: Annotated[list[str], SWITCH] = Field([], description="labels that mean: no label")
    uncertain: Annotated[Meaning | None, SWITCH] = Field(
        None, description="what -1 means in label_columns or value_column"
    )
    blank: Annotated[Meaning | None, SWITCH] = Field(
        None, description="what an empty cell means in label_columns or value_column"
    )
    label_values: Annotated[dict[str, Meaning], SWITCH] = Field(
        {}, description="cell of label_columns or value_column -> positive, negative or missing"
    )
    row_per: Annotated[Literal["image", "label"], SWITCH] = Field(
        "image", description="label: an image with several labels has a row for each"
    )
    value_column: Annotated[str | None, SWITCH] = Field(
        None, description="with row_per: label, holds whether the label is there (1) or not (0); none: no column does"
    )
    value_from: Annotated[float | None, SWITCH] = Field(
        None, description="where value_column holds numbers (a confidence): from this on the label is there"
    )
    unlisted: Annotated[Literal["negative", "missing"] | None, SWITCH] = Field(
        None, description="with value_column, what a label is that an image has no row for; negative if none"
    )
    readers: Annotated[Readers | None, SWITCH] = Field(
        None, description="rows of one image are opinions: it has a label that any, the majority or all of them say"
    )
    reader_column: Annotated[str | None, SWITCH] = Field(
        None, description="whose opinion a row is, where a reader has several rows of an image"
    )

    caption_column: Annotated[str | None, SWITCH] = Field(
        None, description="holds the sentences that describe an image, for `captions: {source: data}` of lm-clip"
    )
    caption_table: Annotated[CaptionTable | None, SWITCH] = None

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

    @field_validator("separator")
    @classmethod
    def _not_empty(cls, value: str | None) -> str | None:
        if value is not None and not value.strip(" \r\n") and value != " ":
            raise ValueError("is empty: a bare | or > begins a text of several lines in YAML; put it in quotes, '|'")
        return value

    @field_validator("label_values", mode="before")
    @classmethod
    def _cells_as_texts(cls, value: Any) -> Any:
        return {str(cell): meaning for cell, meaning in value.items()} if isinstance(value, dict) else value

    def meanings(self) -> CellMeanings:
        """What cells mean that are neither 0 nor 1."""
        return CellMeanings(self.uncertain, self.blank, self.label_values)

    @property
    def values_in(self) -> str | None:
        """The column that says whether a row's label is there."""
        return None if self.value_column == NO_COLUMN else self.value_column

    def label_problem(self) -> str | None:
        """Which keys do not go together, if any do not."""
        by_column = bool(self.label_columns)
        if self.caption_column and self.caption_table:
            return "caption_column and caption_table exclude each other; give one"
        for key in ("none_labels", "label_pattern"):
            if by_column and getattr(self, key):
                way = "leave the column out of label_columns instead" if key == "none_labels" else "leave it out"
                return f"{key}: only for label_column; {way}"
        if self.label_column and not self.values_in:
            for key in ("uncertain", "blank", "label_values"):
                if getattr(self, key):
                    return f"{key}: only for label_columns (or value_column); leave it out"
        if by_column and self.row_per == "label":
            return "row_per: label is for label_column; leave it out"
        if self.value_column and self.row_per != "label":
            return "value_column: needs row_per: label, a row for each label of an image"
        if self.unlisted and not self.values_in:
            return "unlisted: needs value_column; without one a row says that its label is there, the others are not"
        if self.value_from is not None and not self.values_in:
            return "value_from: needs value_column, whose numbers it cuts"
        if self.reader_column and not self.readers:
            return "reader_column: say how opinions are joined, with readers: any, majority or all"
        if self.readers and self.row_per == "label" and not (self.values_in or self.reader_column):
            return "readers: with row_per: label, give the reader_column that tells whose opinion a row is"
        return None
