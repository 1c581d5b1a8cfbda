"""What a study runs: a sweep, Sobol points, a search."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from evenkeel.search_spaces.constraints import Constraint
from evenkeel.study.file.ends import make_ends
from evenkeel.study.file.pruning import refuse_pruner
from evenkeel.study.file.seeds import MAX_SEED
from evenkeel.trainables.settings import Settings

MAX_LEVELS = 1001


_LevelEnds: Any = make_ends(
    {
        "coarse": "how many levels a number gets at first, its ends among them; the default beside them",
        "to": "how many it gets where the curve falls everywhere",
    }
)


class LevelRange(_LevelEnds):
    """Levels that go finer only between neighbours where the curve falls or is open."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not 2 <= self.first < self.last <= MAX_LEVELS:
            raise ValueError(
                f"coarse must be at least 2, to more than that and at most {MAX_LEVELS:,}, got coarse {self.first} to "
                f"{self.last}; write levels: {{coarse: 3, to: 9}}"
            )
        return self


def _read_levels(levels: Any) -> Any:
    """A number of levels, or a range. Raises ValueError, pydantic's for a key of a range."""
    if isinstance(levels, dict | LevelRange):
        return LevelRange.model_validate(levels)
    if type(levels) is not int or not 2 <= levels <= MAX_LEVELS:
        raise ValueError(
            f"must be a whole number from 2 to {MAX_LEVELS:,}, or {{coarse: 3, to: 9}}, got {levels!r}; write levels: 5"
        )
    return levels


Levels = Annotated[
    int | LevelRange,
    BeforeValidator(_read_levels, json_schema_input_type=Annotated[int, Field(ge=2, le=MAX_LEVELS)] | LevelRange),
]


class SweepDesign(Settings):
    """One hyperparameter at a time through the default; pairs of them together where the study names some."""

    levels: Levels = Field(
        7,
        description="how many levels a number gets, the default among them; or `{coarse: 3, to: 9}`: "
        "[finer where the curve falls](#finer-levels)",
    )
    hyperparameters: list[str] | None = Field(None, description="all of each loss's space when left out")
    pairs: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        [], description="hyperparameters that also move together, as `[[clip, gamma_neg]]`: [pairs](#pairs)"
    )

    @property
    def num_levels(self) -> int:
        """How many levels a number gets at most."""
        return self.levels.last if isinstance(self.levels, LevelRange) else self.levels

    def thin(self, levels: list[Any], defaults: list[Any]) -> list[Any]:
        """Of a number's levels those that run first, both ends and the defaults among them; all where none go finer."""
        if not isinstance(self.levels, LevelRange):
            return levels
        steps = self.levels.first - 1
        kept = {round(i * (len(levels) - 1) / steps) for i in range(steps + 1)}
        return [level for i, level in enumerate(levels) if i in kept or level in defaults]


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
