"""A study file: what varies, on which data, with how many seeds. Checked before anything starts."""

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from evenkeel.search_spaces import Choice, Parameter, Space
from evenkeel.study.file.designs import Designs, LevelRange
from evenkeel.study.file.header import DEFAULT_MARGIN, Name, Tracking, fill_margins
from evenkeel.study.file.labels import MAX_ENTRIES
from evenkeel.study.file.losses import LossEntry
from evenkeel.study.file.measures import MeasureEntry
from evenkeel.study.file.methods import MethodEntry
from evenkeel.study.file.own_settings import check_own_settings
from evenkeel.study.file.resources import Resources
from evenkeel.study.file.seeds import SeedRange, Seeds, list_seeds
from evenkeel.study.file.spaces import SettingRange, without_null
from evenkeel.study.file.study_checks import CHECKS
from evenkeel.trainables import AnyTrainable, Trainable, is_function, takes_vary, trainable
from evenkeel.trainables.data import AnyData, DataSet, data_set
from evenkeel.trainables.data.function_data import FUNCTION_DATA
from evenkeel.trainables.errors import nearest
from evenkeel.trainables.measures import (
    ALWAYS,
    HEADLINES,
    MEASURES,
    METRICS,
    RETURNED,
    Column,
    columns,
    measure_of_metric,
)
from evenkeel.trainables.seeds import SOURCES, Source, in_order
from evenkeel.trainables.settings import Settings, UrlText

Entry = LossEntry | MethodEntry
"""What a study compares."""


class StudyConfig(Settings):
    """A study: validated, complete, and small enough to be read aloud."""

    name: Name
    description: str = Field("", description="a sentence for the report and MLflow")
    reproduces: str = Field("", description="what of a paper it repeats, for `evenkeel presets`")
    data: Annotated[DataSet, PlainValidator(data_set, json_schema_input_type=AnyData)]
    trainable: Annotated[Trainable, PlainValidator(trainable, json_schema_input_type=AnyTrainable)]
    losses: list[LossEntry] = Field([], max_length=MAX_ENTRIES, description="the losses that are compared")
    methods: list[MethodEntry] = Field(
        [], max_length=MAX_ENTRIES, description="training functions that are compared, beside losses or without"
    )
    designs: Designs = Field(description="what is run: at least one of the three")
    spaces: Annotated[
        dict[str, SettingRange],
        BeforeValidator(without_null, json_schema_input_type=dict[str, SettingRange | None] | None),
    ] = Field({}, description="settings of the trainable that vary beside the hyperparameters")
    seeds: Seeds = Field(
        description="a number, a list, or `{from: 6, to: 20}`: [as many as decide](#seeds-where-they-decide)"
    )
    vary: list[Source] | None = Field(None, description="what differs from seed to seed; init, order and split if none")
    metric: str = Field(
        HEADLINES[0],
        json_schema_extra={"examples": list(METRICS)},
        description="what is searched for, judged by and shown first; [any of these](#metrics)",
    )
    margin: float | dict[str, float] = Field(
        DEFAULT_MARGIN, description="how much may be lost and still be called steady: one number, or by metric"
    )
    contrast: list[str] = Field(
        [], description="labels of the losses that the report contrasts, the others fainter; all alike if none"
    )
    reduction: Literal["mean"] = Field("mean", description="over entries, equal for all losses")
    measures: list[MeasureEntry] = Field(
        [],
        description="measured of every trial besides the headline scores",
        json_schema_extra={"items": {"examples": [name for name in MEASURES if name not in ALWAYS]}},
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
    def _of_a_function(cls, values: Any) -> Any:
        """What a study of a training function may leave out: data, the function of a method, and methods at all."""
        trainable = values.get("trainable") if isinstance(values, dict) else None
        name = trainable.get("name") if isinstance(trainable, dict) else None
        try:
            if not is_function(name):
                return values
        except ValueError:  # said once, by the trainable itself
            return {"data": FUNCTION_DATA, **values, "methods": []} if ".py:" in str(name) else values
        methods = values.get("methods") or []
        if not methods and not values.get("losses"):
            methods = [{"name": values.get("name")}]
        if isinstance(methods, list):
            methods = [{"function": name, **method} if isinstance(method, dict) else method for method in methods]
        return {"data": FUNCTION_DATA, **values, "methods": methods}

    @model_validator(mode="before")
    @classmethod
    def _hand_vary_on(cls, values: Any) -> Any:
        """Hand the trainable what the study varies."""
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
        if not takes_vary(settings):
            raise ValueError(f"vary: {settings['name']} does not say what its seeds vary; leave vary out, or derive "
                             "its settings from evenkeel.trainables.seeded_settings.SeededSettings")  # fmt: skip
        return values | {"trainable": settings | {"vary": in_order(vary)}, "vary": in_order(vary)}

    @field_validator("margin", mode="before")
    @classmethod
    def _margins(cls, margin: Any) -> Any:
        for name, value in margin.items() if isinstance(margin, dict) else [(None, margin)]:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"{f'{name} ' if name else ''}must be a number between 0 and 1, got {value!r}")
        return margin

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        labels = [entry.label for entry in self.entries]
        if not labels:
            raise ValueError("losses: must name at least one loss")
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice:
            raise ValueError(f"losses: {twice!r} appears twice; give each entry its own label")
        for label in self.contrast:
            if label not in labels:
                raise ValueError(f"contrast: no loss has the label {label!r}; {nearest(label, labels)}")
        if not any((self.designs.sweep, self.designs.sobol, self.designs.search)):
            raise ValueError("designs: nothing to run; give at least one of sweep, sobol and search")
        for check in CHECKS:
            check(self)
        check_own_settings(self.trainable, self.losses, self.spaces)
        search = self.designs.search
        if search and search.groups * search.seeds_per_group > len(self.all_seeds):
            raise ValueError(
                f"designs.search: {search.groups} groups of {search.seeds_per_group} seeds need "
                f"{search.groups * search.seeds_per_group} seeds, the study has {len(self.all_seeds)}"
            )
        return self

    @property
    def entries(self) -> list[Entry]:
        """What is compared: losses, then methods."""
        return [*self.losses, *self.methods]

    def axes(self, loss: Entry) -> Space:
        """What varies for a loss: its own space, then the settings of the trainable that the study names."""
        settings = {name: span.parameter(name, getattr(self.trainable, name)) for name, span in self.spaces.items()}
        space = loss.space()
        return replace(space, parameters=space.parameters | settings)

    def defaults(self, loss: Entry) -> dict[str, Any]:
        """Every hyperparameter of a loss at its default, and the settings that vary at theirs."""
        return loss.setting() | {name: getattr(self.trainable, name) for name in self.spaces}

    @property
    def margin_metrics(self) -> list[str]:
        """The metrics that a margin may be given for."""
        return list(dict.fromkeys((*HEADLINES, self.metric, *self.own_metrics)))

    @property
    def own_code(self) -> list[str]:
        """The losses, methods, measures, data set and trainable that are code of the user's, as `module:Class`."""
        own_measures = (entry.measure_name for entry in self.measures if entry.is_own)
        named = [self.data.name, self.trainable.name, *(entry.loss for entry in self.entries), *own_measures]
        return list(dict.fromkeys(name for name in named if ":" in name and not name.startswith(RETURNED)))

    @property
    def searched(self) -> tuple[str, ...]:
        """The scores that a search looks at, the study's metric first; none where nothing is searched."""
        return tuple(f"val_{name}" for name in self.search_metrics) if self.designs.search else ()

    @property
    def search_metrics(self) -> list[str]:
        """The metric, and the one that a search looks at beside it."""
        beside = self.designs.search and self.designs.search.beside
        return [self.metric, beside] if beside else [self.metric]

    @property
    def all_measures(self) -> tuple[str, ...]:
        """The measures of every trial, each once."""
        judged = [measure_of_metric(name) for name in self.search_metrics if name not in self.own_metrics]
        named = (entry.measure_name for entry in self.measures)
        return tuple(dict.fromkeys(name for name in (*ALWAYS, *judged, *named) if name))

    @property
    def own_metrics(self) -> list[str]:
        """The scores of the user's own that the study declares."""
        return [column for entry in self.measures if entry.is_own for column in entry.columns()]

    @property
    def declared_columns(self) -> dict[str, Column]:
        """Every column that a trial may have; the metric and the user's own can be switched to on the page.

        A training function may return any metric of ours.
        """
        returned = METRICS.values() if "returned" in self.trainable.gives else ()
        declared = columns(dict.fromkeys((*self.all_measures, *returned)))
        declared |= {name: column for entry in self.measures for name, column in entry.columns().items()}
        return declared | {self.metric: replace(declared[self.metric], headline=True)}

    def sign(self, metric: str) -> int:
        """1 where a higher score is better, -1 where a lower one is."""
        return -1 if self.declared_columns[metric].better == "lower" else 1

    @property
    def margins(self) -> dict[str, float]:
        """The margin of each metric; DEFAULT_MARGIN for those that `margin` does not name."""
        return fill_margins(self.margin, self.margin_metrics)

    def sweep_levels(self, loss: Entry) -> dict[str, list[Any]]:
        """The levels that the sweep plans for a loss, by hyperparameter, the default among them.

        Losses that share a hyperparameter and its range share the levels: a contrast compares the same settings.
        """
        sweep = self.designs.sweep
        if sweep is None:
            return {}
        paired = {name for pair in self.pairs(loss) for name in pair}
        return {
            name: loss.levels.get(name) or parameter.levels(sweep.num_levels, self._other_defaults(name, parameter))
            for name, parameter in self.axes(loss).parameters.items()
            if sweep.hyperparameters is None or name in {*sweep.hyperparameters, *loss.levels, *paired}
        }

    def coarse_levels(self, loss: Entry) -> dict[str, list[Any]]:
        """Of these the levels that run whatever the curve does: all, or some evenly placed and the defaults."""
        planned, axes = self.sweep_levels(loss), self.axes(loss).parameters
        sweep = self.designs.sweep
        return {
            name: levels
            if sweep is None or name in loss.levels or isinstance(axes[name], Choice)
            else sweep.thin(levels, self._other_defaults(name, axes[name]))
            for name, levels in planned.items()
        }

    def pairs(self, loss: Entry) -> list[list[str]]:
        """The pairs of hyperparameters that move together: those of which a loss has both."""
        pairs = self.designs.sweep.pairs if self.designs.sweep else []
        return [pair for pair in pairs if self.axes(loss).parameters.keys() >= set(pair)]

    def _other_defaults(self, name: str, parameter: Parameter) -> list[Any]:
        """The defaults of all losses that have this hyperparameter over the same range."""
        return self._defaults_by_range[name, parameter.span]

    @cached_property
    def _defaults_by_range(self) -> dict[tuple[str, tuple[object, ...]], list[Any]]:
        """By hyperparameter and range: two hundred losses would else be asked by each of them."""
        defaults: dict[tuple[str, tuple[object, ...]], list[Any]] = {}
        for entry in self.entries:
            for name, parameter in self.axes(entry).parameters.items():
                defaults.setdefault((name, parameter.span), []).append(parameter.default)
        return defaults

    @property
    def fresh_seeds(self) -> list[int]:
        """Seeds that no other design uses, for the winners of the search."""
        num = self.designs.search.fresh_seeds if self.designs.search else 0
        return [max(self.all_seeds) + 1 + i for i in range(num)]

    @property
    def all_seeds(self) -> list[int]:
        """Every seed that a trial may have."""
        return list_seeds(self.seeds)

    @property
    def is_adaptive(self) -> bool:
        """Whether what is recorded decides which trials of the sweep are due: seeds, or finer levels."""
        sweep = self.designs.sweep
        return bool(self.looks) or (sweep is not None and isinstance(sweep.levels, LevelRange))

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which it is decided who gets more; none where all get the same."""
        return self.seeds.looks if isinstance(self.seeds, SeedRange) else ()
