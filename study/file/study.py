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
    margin: float = Field(0.01, gt=0, lt=1)
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
    def fresh_seeds(self) -> list[int]:
        """Seeds that no other design uses, for the winners of the search."""
        num = self.designs.search.fresh_seeds if self.designs.search else 0
        return [max(self.seeds) + 1 + i for i in range(num)]
