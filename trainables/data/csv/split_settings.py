"""What a study file says of splits and of groups that do not cross them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from evenkeel.trainables.data.csv.columns import GroupTable, SplitTable
from evenkeel.trainables.data.settings import ALL_ROWS, Validation
from evenkeel.trainables.settings import SWITCH, Settings

SplitName = Literal["train", "val", "test"]


class SplitSettings(Settings):
    """Which rows are train, val and test, and which belong together."""

    split_column: str | None = Field(None, description="holds train, val or test")
    group_column: str | None = Field(None, description="rows of a group (a patient) never cross splits")
    test_fraction: float | None = Field(
        None, gt=0, lt=0.9, description="share of the rows carved as test where no split is given"
    )
    validation: Validation | None = Field(
        None, description=f"carved from train; null: the split that the tables give; {ALL_ROWS}"
    )
    min_positives: dict[SplitName, int] = Field(
        {}, description="split -> positives that a class must have there to be kept"
    )
    split_table: Annotated[SplitTable | None, SWITCH] = None
    group_table: Annotated[GroupTable | None, SWITCH] = None
    fold: Annotated[int | None, SWITCH] = Field(
        None, ge=0, description="which of 1 / test_fraction disjoint folds is the test, from 0 on"
    )
    split_lists: Annotated[dict[SplitName, str], SWITCH] = Field(
        {}, description="split -> file of image ids, a line each; under root"
    )
    split_values: Annotated[dict[str, Literal["train", "val", "test", "skip"]], SWITCH] = Field(
        {}, description="cell of split_column or split_table -> train, val, test or skip; `rest` stands for all others"
    )
    group_pattern: Annotated[str | None, SWITCH] = Field(
        None, description="regular expression: what it finds in group_column is the group"
    )

    @field_validator("split_values", mode="before")
    @classmethod
    def _cells_as_texts(cls, value: Any) -> Any:
        return {str(cell): split for cell, split in value.items()} if isinstance(value, dict) else value

    def split_problem(self, tables: set[str]) -> str | None:
        """Which keys do not go together, if any do not; `tables` are the names of those that the study has."""
        ways = [k for k in ("test_fraction", "split_column", "split_table", "split_lists") if getattr(self, k)]
        if "all" in tables and len(tables) > 1:
            return "tables: all stands alone; name the others train, val and test"
        if self.group_table and self.group_column:
            return "group_table and group_column exclude each other; give one"
        if len(ways) > 1:
            return f"{ways[0]} and {ways[1]} exclude each other; give one"
        if self.split_lists and ("test" in tables or "test" not in self.split_lists):
            return "split_lists: give one table and a list of the test images"
        if self.split_values and not (self.split_column or self.split_table):
            return "split_values: needs the split_column whose cells it explains"
        if self.group_pattern and not self.group_column:
            return "group_pattern: needs the group_column in which it looks"
        if not ways and "test" not in tables:
            return "nothing is kept for testing; give split_column, a test table, or test_fraction: 0.2"
        if not (self.split_column or self.split_table) and tables == {"test"}:
            return "tables: there is nothing to train on; give a train table, or split_column"
        return self._fraction_problem(tables)

    def _fraction_problem(self, tables: set[str]) -> str | None:
        if self.fold is not None and not self.test_fraction:
            return "fold: needs test_fraction, for example 0.2 for five folds"
        if not self.test_fraction:
            return None
        if "test" in tables:
            return "test_fraction and a test table exclude each other; give one"
        if len(tables) > 1:
            return "test_fraction needs one table; give a test table instead"
        if idle := set(self.min_positives) - {"train"}:
            return f"min_positives.{min(idle)}: needs a split that the tables give, not test_fraction"
        if self.fold is not None and self.fold >= (num := round(1 / self.test_fraction)):
            return f"fold: test_fraction {self.test_fraction} makes {num} folds, counted from 0, got {self.fold}"
        return None
