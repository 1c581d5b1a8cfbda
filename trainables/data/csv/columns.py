"""What a study file says about columns of tables, and about tables that belong to others."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from evenkeel.trainables.settings import SWITCH, Settings

Readers = Literal["any", "majority", "all"]
"""Who must say so, of several readers, for an image to have a label."""


class ClassesTable(Settings):
    """A table that lists the classes: the column with the label as the data writes it, and the column to show.

    A list of names, a line each, and the `names` of a YOLO data.yaml have the columns `number` and `name`.
    """

    file: str = Field(description="under root")
    label: str = Field("number", description="column of the label as the data writes it")
    name: str = Field("name", description="column of the label as it is shown")


class TableBeside(Settings):
    """A table that belongs to others."""

    header: Annotated[list[str] | None, SWITCH] = Field(
        None, description="names of its columns, where it has no header line"
    )

    def names(self) -> tuple[str, ...] | None:
        """The names of its columns, where the study gives them."""
        return tuple(self.header) if self.header else None


class GroupTable(TableBeside):
    """A table that says for each image to which group it belongs; images that it lacks are groups of their own."""

    file: str = Field(description="under root")
    image: str = Field(description="column of the image id, as image_column writes it")
    group: str = Field(description="column of the group")


class SplitTable(TableBeside):
    """A table that says for each image to which split it belongs; `split_values` explains its cells."""

    file: str = Field(description="under root")
    image: str = Field(description="column of the image id, as image_column writes it")
    split: str = Field(description="column of the split")


class CaptionTable(TableBeside):
    """A table that says for each image what sentences describe it: a row a sentence, or lists of them in its cells."""

    file: str = Field(description="under root, several by `*`")
    image: str = Field(description="column of the image id, as image_column writes it")
    caption: str = Field("caption", description="column of the sentences")


class Join(TableBeside):
    """A table whose columns are added to the rows of `tables`: to each row those of its partner."""

    file: str = Field(description="under root")
    by: dict[str, str] = Field(
        min_length=1,
        description="columns that partners have in common: a name, a list of names, or {column of tables: column here}",
    )
    columns: list[str] | None = Field(None, description="which columns are added; all if none")
    without_partner: Literal["fail", "skip", "blank"] = Field(
        "fail", description="what a row without a partner does: fail, be left out, or have blank cells there"
    )

    @field_validator("by", mode="before")
    @classmethod
    def _as_pairs(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        return {name: name for name in names} if isinstance(names, list) else value


class AllBut(Settings):
    """Every column of the table but these (and but those of the image, split and group)."""

    all_but: list[str] = Field(description="the columns that are no classes")
