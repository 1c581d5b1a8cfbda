"""A study file: what varies, on which data, with how many seeds. Checked before anything starts."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, field_validator, model_validator

from study.file.designs import Designs
from study.file.losses import Loss
from study.file.resources import Resources
from trainables import AnyTrainable, Trainable, trainable
from trainables.data import AnyData, DataSet, data_set
from trainables.errors import nearest
from trainables.measures import HEADLINES
from trainables.settings import PathText, Settings

DEFAULT_MARGIN = 0.01


class StudyConfig(Settings):
    """A study: validated, complete, and small enough to be read aloud."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    data: Annotated[DataSet, PlainValidator(data_set, json_schema_input_type=AnyData)]
    trainable: Annotated[Trainable, PlainValidator(trainable, json_schema_input_type=AnyTrainable)]
    losses: list[Loss] = Field(min_length=1)
    designs: Designs
    seeds: list[int]
    metric: str = Field(HEADLINES[0], json_schema_extra={"enum": list(HEADLINES)})
    margin: float | dict[str, float] = Field(DEFAULT_MARGIN, description="one for all metrics, or by metric")
    reduction: Literal["mean"] = Field("mean", description="over entries, equal for all losses")
    resources: Resources = Resources()
    storage: PathText | None = None
    tracking: str | None = Field(None, description="an MLflow tracking URI; a database in the study's folder if none")

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        if metric not in HEADLINES:
            raise ValueError(f"unknown metric {metric!r}; {nearest(metric, HEADLINES)}")
        return metric

    @field_validator("margin", mode="before")
    @classmethod
    def _margins(cls, margin: Any) -> Any:
        for name, value in margin.items() if isinstance(margin, dict) else [(None, margin)]:
            if name is not None and name not in HEADLINES:
                raise ValueError(f"unknown metric {name!r}; {nearest(str(name), HEADLINES)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ValueError(f"{f'{name} ' if name else ''}must be a number between 0 and 1, got {value!r}")
        return margin

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, seeds: Any) -> Any:
        seeds = list(range(seeds)) if isinstance(seeds, int) else seeds
        if isinstance(seeds, list) and (not seeds or len(set(map(str, seeds))) < len(seeds)):
            raise ValueError(f"must be at least one seed, each once, got {seeds}; write seeds: 6, or a list")
        return seeds

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        labels = [loss.label for loss in self.losses]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice:
            raise ValueError(f"losses: {twice!r} appears twice; give each entry its own label")
        if not any((self.designs.sweep, self.designs.sobol, self.designs.search)):
            raise ValueError("designs: nothing to run; give at least one of sweep, sobol and search")
        self._sweepable()
        search = self.designs.search
        if search and search.groups * search.seeds_per_group > len(self.seeds):
            raise ValueError(
                f"designs.search: {search.groups} groups of {search.seeds_per_group} seeds need "
                f"{search.groups * search.seeds_per_group} seeds, the study has {len(self.seeds)}"
            )
        return self

    def _sweepable(self) -> None:
        wanted = (self.designs.sweep and self.designs.sweep.hyperparameters) or []
        known = {name for loss in self.losses for name in loss.space().parameters}
        for name in wanted:
            if name not in known:
                raise ValueError(f"designs.sweep.hyperparameters: no loss has {name!r}; {nearest(name, known)}")

    @property
    def margins(self) -> dict[str, float]:
        """The margin of each metric; DEFAULT_MARGIN for those that `margin` does not name."""
        given = self.margin if isinstance(self.margin, dict) else dict.fromkeys(HEADLINES, self.margin)
        return dict.fromkeys(HEADLINES, DEFAULT_MARGIN) | given

    def sweep_levels(self, loss: Loss) -> dict[str, list[Any]]:
        """The levels that the sweep plans for a loss, by hyperparameter, the default among them."""
        sweep = self.designs.sweep
        if sweep is None:
            return {}
        return {
            name: loss.levels.get(name) or parameter.levels(sweep.levels)
            for name, parameter in loss.space().parameters.items()
            if sweep.hyperparameters is None or name in sweep.hyperparameters or name in loss.levels
        }

    @property
    def fresh_seeds(self) -> list[int]:
        """Seeds that no other design uses, for the winners of the search."""
        num = self.designs.search.fresh_seeds if self.designs.search else 0
        return [max(self.seeds) + 1 + i for i in range(num)]
