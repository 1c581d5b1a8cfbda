"""What a study runs: a sweep, Sobol points, a search."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evenkeel.search_spaces.constraints import Constraint
from evenkeel.study.file.pruning import refuse_pruner
from evenkeel.study.file.seeds import MAX_SEED
from evenkeel.trainables.settings import Settings


class SweepDesign(Settings):
    """One hyperparameter at a time through the default; pairs of them together where the study names some."""

    levels: int = Field(7, ge=2, le=1001, description="how many levels a number gets, the default among them")
    hyperparameters: list[str] | None = Field(None, description="all of each loss's space when left out")
    pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        [], description="hyperparameters that also move together, as `[[clip, gamma_neg]]`: [pairs](#pairs)"
    )


class SobolDesign(Settings):
    """2^m scrambled Sobol points in the joint box, the same for all losses."""

    m: int = Field(4, ge=1, le=14, description="2^m points")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of the scramble or the sampler")


class SearchDesign(Settings):
    """Optuna: one study per loss and seed group, equal budgets; winners are run again on fresh seeds."""

    sampler: Literal["tpe", "gp", "random", "cmaes", "qmc", "nsga2"] = Field("tpe", description="of Optuna")
    trials: int = Field(24, ge=1, le=100_000, description="proposals per loss and seed group")
    batch: int = Field(8, ge=1, le=10_000, description="proposals that run at once; more where workers would wait")
    groups: int = Field(1, ge=1, le=1000, description="seed groups: the study's seeds are divided among them")
    seeds_per_group: int = Field(1, ge=1, le=1000, description="seeds over which a proposal is averaged")
    fresh_seeds: int = Field(
        6, ge=1, le=10_000, description="seeds of the winner's confirmation, which nothing else uses"
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of the scramble or the sampler")
    start: list[dict[str, Any]] = Field(
        [], description="settings to propose first, after the published default; of losses that have these names"
    )
    beside: str | None = Field(
        None, description="a second metric in which proposals are to be good; the winner is the best by `metric`"
    )
    pruner: Literal["median", "hyperband", "asha"] | None = Field(
        None, description="of Optuna: stops proposals early by their validation curves; none does if none"
    )
    constraints: list[str] = Field([], description="what every proposal obeys, as `gamma_neg >= gamma_pos`")

    @field_validator("constraints")
    @classmethod
    def _parsed(cls, texts: list[str]) -> list[str]:
        for text in texts:
            Constraint.parse(text)
        return texts

    @property
    def parsed_constraints(self) -> list[Constraint]:
        """The constraints, to be asked whether a setting obeys."""
        return [Constraint.parse(text) for text in self.constraints]


class Designs(Settings):
    sweep: SweepDesign | None = None
    sobol: SobolDesign | None = None
    search: SearchDesign | None = None

    @model_validator(mode="before")
    @classmethod
    def _unpruned(cls, values: Any) -> Any:
        return refuse_pruner(values)
