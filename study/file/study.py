"""A study file: what varies, on which data, with how many seeds. YAML, checked before anything starts."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from search_spaces import Space
from study.errors import UserError
from study.file.spaces import space_of
from trainables.data import DATA_SETS, AnyData
from trainables.data.settings import Sampling
from trainables.errors import nearest

METRICS = ("f1", "f1_tuned", "map", "mauc")
PRESETS = Path(__file__).parent.parent / "presets"


class _Strict(BaseModel):
    """Unknown keys are refused with the nearest valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}")
        return values


class WarmStart(_Strict):
    """Train the backbone with BCE on the train split before it is frozen."""

    epochs: int = Field(6, ge=1)
    lr: float = Field(3e-3, gt=0)
    batch: int = Field(64, ge=1)


class Backbone(_Strict):
    """A frozen feature extractor: a model by name, with pretrained, local or warm-started weights."""

    name: str
    library: Literal["timm", "open_clip"] = "timm"
    pretrained: bool | str = False
    weights: str | None = Field(None, description="a local safetensors or state-dict file")
    model_args: dict[str, Any] = {}
    mean: list[float] | None = None
    std: list[float] | None = None
    warm_start: WarmStart | None = None


class Probe(_Strict):
    """A head per trial on frozen features; the same budget for every trial, no early stopping."""

    name: Literal["probe"] = "probe"
    backbone: Backbone
    image_size: int = Field(ge=8)
    epochs: int = Field(20, ge=1)
    batch: int = Field(256, ge=1)
    lr: float = Field(5e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    hidden: int = Field(0, ge=0, description="0: a linear head; else the units of one hidden layer")
    sampling: Sampling | None = Field(None, description="class-weighted sampling; every row once an epoch if none")
    bias: Literal["prior", "zero"] = Field("prior", description="where the heads' biases start")
    precision: Literal["float32", "float64"] = "float32"
    head_min: int = Field(100, description="a head class has at least so many training positives")
    tail_below: int = Field(20, description="a tail class has fewer training positives")


class Loss(_Strict):
    """One loss as the study shows it. Fixed hyperparameters leave its space."""

    loss: str
    label: str
    fixed: dict[str, Any] = {}
    levels: dict[str, list[Any]] = Field({}, description="sweep levels of a hyperparameter, in place of placed ones")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        value = {"loss": value} if isinstance(value, str) else value
        return {"label": value["loss"], **value} if isinstance(value, dict) and "loss" in value else value

    @model_validator(mode="after")
    def _within_space(self) -> "Loss":
        space = space_of(self.loss)
        for name, value in self.fixed.items():
            if name in space.constants:
                continue
            problem = _parameter(space, name, self.loss).problem(value)
            if problem:
                raise ValueError(f"fixed.{name} {problem}")
        for name, levels in self.levels.items():
            parameter = _parameter(space, name, self.loss)
            for level in levels:
                if problem := parameter.problem(level):
                    raise ValueError(f"levels.{name} {problem}")
        return self

    def space(self) -> Space:
        """What may vary: the loss's space without the fixed hyperparameters."""
        return space_of(self.loss).without(set(self.fixed))

    def setting(self, **moved: Any) -> dict[str, Any]:
        """All hyperparameters: published defaults, then the fixed ones, then `moved`."""
        return space_of(self.loss).defaults() | self.fixed | moved


def _parameter(space: Space, name: str, loss: str) -> Any:
    if name not in space.parameters:
        raise ValueError(f"{loss} has no hyperparameter {name!r}; {nearest(name, space.parameters)}")
    return space.parameters[name]


class Sweep(_Strict):
    """One hyperparameter at a time through the default."""

    levels: int = Field(7, ge=2)
    hyperparameters: list[str] | None = Field(None, description="all of each loss's space when left out")


class SobolDesign(_Strict):
    """2^m scrambled Sobol points in the joint box, the same for all losses."""

    m: int = Field(4, ge=1, le=14)
    seed: int = 0


class Search(_Strict):
    """Optuna: one study per loss and seed group, equal budgets; winners are run again on fresh seeds."""

    sampler: Literal["tpe", "gp", "random", "cmaes"] = "tpe"
    trials: int = Field(24, ge=1, description="proposals per loss and seed group")
    batch: int = Field(8, ge=1, description="proposals asked for at once")
    groups: int = Field(1, ge=1, description="seed groups: the study's seeds are divided among them")
    seeds_per_group: int = Field(1, ge=1)
    fresh_seeds: int = Field(6, ge=1)
    seed: int = 0


class Designs(_Strict):
    sweep: Sweep | None = None
    sobol: SobolDesign | None = None
    search: Search | None = None


class Resources(_Strict):
    """What one worker gets, and how many trials it trains at once."""

    workers: int | None = Field(None, ge=1, description="as many as the machine or cluster has room for when left out")
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    pack_size: int = Field(64, ge=1)
    memory_gib: float | None = Field(None, gt=0, description="memory a worker may use for a pack")
    retries: int = Field(1, ge=0, description="how often a failed trial is tried again before it is recorded")


class StudyConfig(_Strict):
    """A study: validated, complete, and small enough to be read aloud."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    data: AnyData
    trainable: Probe
    losses: list[Loss] = Field(min_length=1)
    designs: Designs
    seeds: list[int]
    metric: Literal["f1", "f1_tuned", "map", "mauc"] = "f1"
    margin: float = Field(0.01, gt=0, lt=1)
    reduction: Literal["mean"] = Field("mean", description="over entries, equal for all losses")
    resources: Resources = Resources()
    storage: str | None = None
    tracking: str | None = Field(None, description="an MLflow tracking URI; a database in the study's folder if none")

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        data = values.get("data") if isinstance(values, dict) else None
        if isinstance(data, dict) and (name := data.get("name")) not in DATA_SETS:
            raise ValueError(f"data.name: unknown data set {name!r}; {nearest(str(name), DATA_SETS)}")
        if isinstance(values, dict) and (metric := values.get("metric", "f1")) not in METRICS:
            raise ValueError(f"metric: unknown metric {metric!r}; {nearest(str(metric), METRICS)}")
        return values

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


def load_study(name: str, overrides: list[str] | None = None) -> StudyConfig:
    """Read a study file or preset, follow `extends`, apply `key=value` overrides, validate.

    Raises UserError with one line per problem, each naming file and key.
    """
    path = find_study(name)
    values = _read(path, ())
    for override in overrides or []:
        _override(values, override)
    try:
        return StudyConfig.model_validate(values)
    except ValidationError as error:
        lines = "\n".join(f"  {_where(problem)}{_what(problem)}" for problem in error.errors())
        raise UserError(f"{path}: the study is not valid\n{lines}") from error


def find_study(name: str) -> Path:
    """The file of a preset's name or path."""
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UserError(f"{path}: no such study file")
        return path.resolve()
    preset = PRESETS / f"{name}.yaml"
    if preset.is_file():
        return preset
    names = [p.stem for p in PRESETS.glob("*.yaml")]
    raise UserError(f"{name!r} is neither a study file (*.yaml) nor a preset; {nearest(name, names)}")


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise UserError(f"{path}: extends itself by way of {' -> '.join(p.name for p in seen)}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: a study file is a mapping of keys to values, got {type(values).__name__}")
    base = values.pop("extends", None)
    if base is None:
        return values
    sibling = path.parent / str(base)
    return merge(_read(sibling if sibling.is_file() else find_study(str(base)), (*seen, path)), values)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping; lists and values are replaced, null removes."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise UserError(f"--set {override!r}: must be key=value, for example --set seeds=3")
    *parents, last = key.strip().split(".")
    for parent in parents:
        if not isinstance(values.get(parent), dict):
            values[parent] = {}
        values = values[parent]
    values[last] = yaml.safe_load(text)


def _where(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"] if part not in DATA_SETS)
    return f"{place}: " if place else ""


def _what(problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    given = problem.get("input")
    return (
        message if isinstance(given, dict | list) or problem["type"] == "value_error" else f"{message}, got {given!r}"
    )
