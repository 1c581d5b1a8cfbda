"""A study file: what varies, on which data, with how many seeds. Checked before anything starts."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from evenkeel.search_spaces import Parameter, Space
from evenkeel.study.file.designs import Designs
from evenkeel.study.file.losses import LossEntry
from evenkeel.study.file.resources import Resources
from evenkeel.study.file.spaces import SettingRange
from evenkeel.trainables import AnyTrainable, Trainable, hears, trainable
from evenkeel.trainables.data import AnyData, DataSet, data_set
from evenkeel.trainables.errors import nearest
from evenkeel.trainables.measures import ALWAYS, HEADLINES, MEASURES
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.seeds import SOURCES, Source, in_order
from evenkeel.trainables.settings import Settings, UrlText, Written, at_home

DEFAULT_MARGIN = 0.01
MAX_SEED = 2**32 - 1
"""The largest seed that every generator takes."""
SQLITE = "sqlite:///"


def make_absolute_uri(uri: str, folder: Path) -> str:
    """A tracking URI; of an sqlite file by absolute path, since workers and servers have other working folders."""
    return f"{SQLITE}{folder / at_home(uri.removeprefix(SQLITE))}" if uri.startswith(SQLITE) else uri


def _tracking(uri: Any) -> Any:
    return make_absolute_uri(uri, uri.folder) if isinstance(uri, Written) else uri


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=100,
        description="of the study, its folder and its MLflow experiment",
    ),
]
Tracking = Annotated[str, BeforeValidator(_tracking)]


def fill_margins(margin: float | dict[str, float]) -> dict[str, float]:
    """The margin of each metric; DEFAULT_MARGIN for those that are not named."""
    named = margin if isinstance(margin, dict) else dict.fromkeys(HEADLINES, margin)
    return dict.fromkeys(HEADLINES, DEFAULT_MARGIN) | named


class StudyHeader(Settings):
    """What a study is called, where its records and MLflow lie, and the margin that its file names."""

    name: Name
    storage: UrlText | None = None
    tracking: Tracking | None = None
    margin: float | dict[str, float] = DEFAULT_MARGIN


class StudyConfig(Settings):
    """A study: validated, complete, and small enough to be read aloud."""

    name: Name
    description: str = Field("", description="a sentence for the report and MLflow")
    reproduces: str = Field("", description="what of a paper it repeats, for `evenkeel presets`")
    data: Annotated[DataSet, PlainValidator(data_set, json_schema_input_type=AnyData)]
    trainable: Annotated[Trainable, PlainValidator(trainable, json_schema_input_type=AnyTrainable)]
    losses: list[LossEntry] = Field(min_length=1)
    designs: Designs = Field(description="what is run: at least one of the three")
    spaces: dict[str, SettingRange] = Field(
        {}, description="settings of the trainable that vary beside the hyperparameters"
    )
    seeds: list[int] = Field(description="a number, or a list")
    vary: list[Source] | None = Field(None, description="what differs from seed to seed; init, order and split if none")
    metric: str = Field(
        HEADLINES[0], json_schema_extra={"enum": list(HEADLINES)}, description="what is searched for and shown first"
    )
    margin: float | dict[str, float] = Field(
        DEFAULT_MARGIN, description="how much may be lost and still be called steady: one number, or by metric"
    )
    contrast: list[str] = Field(
        [], description="labels of the losses that the report contrasts, the others fainter; all alike if none"
    )
    reduction: Literal["mean"] = Field("mean", description="over entries, equal for all losses")
    measures: list[str] = Field(
        [],
        description="measured of every trial besides the headline scores",
        json_schema_extra={"items": {"type": "string", "enum": [name for name in MEASURES if name not in ALWAYS]}},
    )
    resources: Resources = Resources()
    storage: UrlText | None = Field(None, description="folder or URL of the records; `studies/NAME` if none")
    tracking: Tracking | None = Field(
        None, description="an MLflow tracking URI; a database in the study's folder if none"
    )
    tracking_files: bool = Field(
        False, description="whether files beside a record (predictions, pictures) are shown by its run in MLflow"
    )
    tracking_per_class: bool = Field(
        False, description="whether the scores of each class are shown by a trial's run in MLflow, as `per_class/...`"
    )

    @model_validator(mode="before")
    @classmethod
    def _tell_trainable(cls, values: Any) -> Any:
        """The trainable hears what the study varies."""
        settings = values.get("trainable") if isinstance(values, dict) else None
        if not isinstance(settings, dict):
            return values
        vary, own = values.get("vary"), settings.get("vary")
        if own is not None and own != vary:
            raise ValueError("trainable.vary: what seeds vary is a key of the study; write vary: beside trainable:")
        if vary is None:
            return values
        if not isinstance(vary, list) or not vary:
            raise ValueError(f"vary: must be a list of {', '.join(SOURCES)}, got {vary!r}")
        for source in vary:
            if source not in SOURCES:
                raise ValueError(f"vary: nothing is called {source!r}; {nearest(str(source), SOURCES)}")
        if not hears(settings):
            raise ValueError(f"vary: {settings['name']} does not say what its seeds vary; leave vary out, or derive "
                             "its settings from evenkeel.trainables.seeded_settings.SeededSettings")  # fmt: skip
        return values | {"trainable": settings | {"vary": in_order(vary)}, "vary": in_order(vary)}

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        if metric not in HEADLINES:
            raise ValueError(f"unknown metric {metric!r}; {nearest(metric, HEADLINES)}")
        return metric

    @field_validator("measures")
    @classmethod
    def _known_measures(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in MEASURES:
                raise ValueError(f"unknown measure {name!r}; {nearest(name, MEASURES)}")
        return names

    @field_validator("margin", mode="before")
    @classmethod
    def _margins(cls, margin: Any) -> Any:
        for name, value in margin.items() if isinstance(margin, dict) else [(None, margin)]:
            if name is not None and name not in HEADLINES:
                raise ValueError(f"unknown metric {name!r}; {nearest(str(name), HEADLINES)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ValueError(f"{f'{name} ' if name else ''}must be a number between 0 and 1, got {value!r}")
        return margin

    @field_validator("seeds", mode="before", json_schema_input_type=int | list[int])
    @classmethod
    def _count(cls, seeds: Any) -> Any:
        listed = list(range(seeds)) if type(seeds) is int else seeds
        if not isinstance(listed, list) or not listed or not all(type(seed) is int for seed in listed):
            raise ValueError(f"must be a number of seeds, or a list of whole numbers, got {seeds!r}; write seeds: 6")
        if len(set(listed)) < len(listed) or not 0 <= min(listed) <= max(listed) <= MAX_SEED:
            raise ValueError(f"must be different numbers from 0 to {MAX_SEED}, got {seeds}")
        return listed

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        labels = [loss.label for loss in self.losses]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice:
            raise ValueError(f"losses: {twice!r} appears twice; give each entry its own label")
        for label in self.contrast:
            if label not in labels:
                raise ValueError(f"contrast: no loss has the label {label!r}; {nearest(label, labels)}")
        if not any((self.designs.sweep, self.designs.sobol, self.designs.search)):
            raise ValueError("designs: nothing to run; give at least one of sweep, sobol and search")
        self._check_vary()
        self._check_spaces()
        self._sweepable()
        self._measurable()
        search = self.designs.search
        if search and search.groups * search.seeds_per_group > len(self.seeds):
            raise ValueError(
                f"designs.search: {search.groups} groups of {search.seeds_per_group} seeds need "
                f"{search.groups * search.seeds_per_group} seeds, the study has {len(self.seeds)}"
            )
        return self

    def axes(self, loss: LossEntry) -> Space:
        """What varies for a loss: its own space, then the settings of the trainable that the study names."""
        settings = {name: span.parameter(name, getattr(self.trainable, name)) for name, span in self.spaces.items()}
        space = loss.space()
        return replace(space, parameters=space.parameters | settings)

    def defaults(self, loss: LossEntry) -> dict[str, Any]:
        """Every hyperparameter of a loss at its default, and the settings that vary at theirs."""
        return loss.setting() | {name: getattr(self.trainable, name) for name in self.spaces}

    def _check_vary(self) -> None:
        fixed = self.trainable.fixed(self.data) if isinstance(self.trainable, SeededSettings) else {}
        for source in self.vary or ():
            if source in fixed:
                raise ValueError(f"vary: {source} is the same for every seed ({fixed[source]}); leave {source} out")

    def _check_spaces(self) -> None:
        settings = self.trainable.model_dump(mode="json")
        for name, span in self.spaces.items():
            if name not in settings:
                raise ValueError(f"spaces: the trainable has no setting {name!r}; {nearest(name, settings)}")
            if taken := next((loss.label for loss in self.losses if name in loss.setting()), None):
                raise ValueError(f"spaces: {name!r} is a hyperparameter of {taken}; it varies by itself")
            span.parameter(name, getattr(self.trainable, name))
            for value in span.ends():
                trainable(settings | {name: value})

    def _measurable(self) -> None:
        for name in self.measures:
            needed = MEASURES[name].needs
            if needed not in self.trainable.gives:
                gives = ", ".join(self.trainable.gives)
                raise ValueError(
                    f"measures: {name!r} needs the {needed} of a trial, {self.trainable.name} gives {gives}; leave it "
                    "out, or choose another trainable"
                )

    @property
    def own_code(self) -> list[str]:
        """The losses, the measures, the data set and the trainable that are code of the user's, as `module:Class`."""
        named = [self.data.name, self.trainable.name, *(loss.loss for loss in self.losses), *self.measures]
        return list(dict.fromkeys(name for name in named if ":" in name))

    @property
    def searched(self) -> tuple[str, ...]:
        """The scores that a search looks at; none where nothing is searched."""
        return (f"val_{self.metric}",) if self.designs.search else ()

    @property
    def all_measures(self) -> tuple[str, ...]:
        """The measures of every trial, each once."""
        return tuple(dict.fromkeys((*ALWAYS, *self.measures)))

    def _sweepable(self) -> None:
        names = (self.designs.sweep and self.designs.sweep.hyperparameters) or []
        valid = {name for loss in self.losses for name in self.axes(loss).parameters}
        for name in names:
            if name not in valid:
                hint = nearest(name, valid)
                raise ValueError(f"designs.sweep.hyperparameters: no loss has {name!r}, nor has spaces; {hint}")

    @property
    def margins(self) -> dict[str, float]:
        """The margin of each metric; DEFAULT_MARGIN for those that `margin` does not name."""
        return fill_margins(self.margin)

    def sweep_levels(self, loss: LossEntry) -> dict[str, list[Any]]:
        """The levels that the sweep plans for a loss, by hyperparameter, the default among them.

        Losses that share a hyperparameter and its range share the levels: a contrast compares the same settings.
        """
        sweep = self.designs.sweep
        if sweep is None:
            return {}
        return {
            name: loss.levels.get(name) or parameter.levels(sweep.levels, self._other_defaults(name, parameter))
            for name, parameter in self.axes(loss).parameters.items()
            if sweep.hyperparameters is None or name in sweep.hyperparameters or name in loss.levels
        }

    def _other_defaults(self, name: str, parameter: Parameter) -> list[Any]:
        """The defaults of all losses that have this hyperparameter over the same range."""
        parameters = (self.axes(loss).parameters.get(name) for loss in self.losses)
        return [p.default for p in parameters if p and p.span == parameter.span]

    @property
    def fresh_seeds(self) -> list[int]:
        """Seeds that no other design uses, for the winners of the search."""
        num = self.designs.search.fresh_seeds if self.designs.search else 0
        return [max(self.seeds) + 1 + i for i in range(num)]
