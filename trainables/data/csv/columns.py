"""What a study file says about columns of tables."""

from pydantic import Field

from evenkeel.trainables.settings import Settings


class ClassesTable(Settings):
    """A table that lists the classes: the column with the label as the data writes it, and the column to show."""

    file: str = Field(description="under root")
    label: str = Field(description="column of the label as the data writes it")
    name: str = Field(description="column of the label as it is shown")


class GroupTable(Settings):
    """A table that says for each image to which group it belongs; images that it lacks are groups of their own."""

    file: str = Field(description="under root")
    image: str = Field(description="column of the image id, as image_column writes it")
    group: str = Field(description="column of the group")


class AllBut(Settings):
    """Every column of the table but these (and but those of the image, split and group)."""

    all_but: list[str] = Field(description="the columns that are no classes")
