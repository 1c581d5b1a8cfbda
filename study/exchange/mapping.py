"""runs.yaml: what the columns of somebody's runs mean. Printed ready to edit by `report --runs SOURCE --explain`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from evenkeel.study.errors import UserError
from evenkeel.study.file.text import read_yaml
from evenkeel.trainables.settings import Settings

RunsDesign = Literal["sweep", "grid", "random", "adaptive"]


class ScoreColumns(Settings):
    """A metric: the column to judge by, that of validation where there is one, and which direction is better."""

    column: str = Field(description="scores to judge by, of test where there are such")
    validation: str | None = Field(None, description="scores by which a search chose")
    better: Literal["higher", "lower"] = Field(description="which direction is better")


class RunsMapping(Settings):
    """What the columns of a table of runs mean."""

    name: str = Field(description="of the page")
    method: str | None = Field(None, description="column of what is compared; one method if none")
    seed: str | None = Field(None, description="column of the replicate; runs of one setting are numbered if none")
    folds: int | None = Field(
        None, ge=2, description="where a seed is a fold of cross-validation: into how many parts the rows were cut"
    )
    hyperparameters: dict[str, dict[str, Any] | Any] = Field(
        description="column -> its default, or the default of each method as a mapping; null for none"
    )
    metrics: dict[str, ScoreColumns] = Field(min_length=1, description="name -> columns and direction")
    metric: str = Field(description="the metric that the page opens with")
    margin: float = Field(gt=0, description="how much may be lost and still be called steady, in the unit of metric")
    design: RunsDesign | None = Field(
        None, description="how settings were chosen; none: `design_column` says it of each run"
    )
    varied: tuple[Literal["init", "order", "train_rows"], ...] = Field(
        (), description="what differs from seed to seed; train_rows: each seed trains on its own bootstrap of them"
    )
    design_column: str | None = Field(None, description="column that holds sweep, sobol, search or confirm")

    @model_validator(mode="after")
    def _consistent(self) -> "RunsMapping":
        if self.metric not in self.metrics:
            raise ValueError(f"metric: {self.metric!r} is none of metrics ({', '.join(self.metrics)})")
        if (self.design is None) == (self.design_column is None):
            raise ValueError("give design, or design_column")
        return self

    def default(self, name: str, method: str) -> Any:
        """The default of a hyperparameter for a method; None where it has none."""
        default = self.hyperparameters[name]
        return default.get(method) if isinstance(default, dict) else default


def read_mapping(path: Path) -> RunsMapping:
    """The mapping of a file. Raises UserError with a line a problem, each naming file and key."""
    try:
        contents = read_yaml(path.read_text(encoding="utf-8-sig"))
        return RunsMapping.model_validate(contents)
    except OSError as error:
        raise UserError(f"--mapping {path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
        raise UserError("\n".join([f"{path}: the mapping is not valid", *lines])) from error
    except ValueError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
