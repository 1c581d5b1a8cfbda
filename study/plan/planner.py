"""From a study to its trials: pure, the same list every time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from evenkeel.study.errors import UserError
from evenkeel.study.file.own_settings import settings_of
from evenkeel.study.file.seeds import first_seeds
from evenkeel.study.file.study import Entry, StudyConfig
from evenkeel.trainables import TrainableError, Trial
from evenkeel.trainables.data.identity import data_identity
from evenkeel.trainables.own_identity import own_identity
from evenkeel.trainables.own_sources import source_fingerprint
from evenkeel.trainables.trial import Design, versioned

Setting = tuple[str | None, dict[str, Any]]
"""Which hyperparameter moved (of a pair both, `a, b`), and what differs from the default."""


@dataclass(frozen=True)
class Planner:
    """Makes the trials of a study. `data` and `trainable` are their identities (content hashes, no paths).

    `sources` are the fingerprints of the user's own losses, measures, data set and trainable, by `module:Class`.
    """

    config: StudyConfig
    data: dict[str, Any]
    trainable: dict[str, Any]
    sources: dict[str, str] = field(default_factory=dict)

    def trial(
        self,
        loss: Entry,
        setting: dict[str, Any],
        seed: int,
        design: Design,
        *,
        group: int | None = None,
        moved: str | None = None,
        proposal: int | None = None,
    ) -> Trial:
        """One trial with every hyperparameter spelled out, and the settings in which it departs from the study's."""
        own = {name: value for name, value in setting.items() if name not in self.config.spaces}
        at_default = self.config.defaults(loss)
        departs = {name: value for name, value in setting.items() if name not in own and value != at_default[name]}
        return Trial(
            loss=loss.loss,
            hyperparameters=loss.setting(**own),
            settings=settings_of(self.config.trainable, loss) | departs,
            seed=seed,
            data=self.data,
            trainable=self.trainable,
            design=design,
            label=loss.label,
            group=group,
            moved=moved,
            proposal=proposal,
            loss_source=self.sources.get(loss.loss, ""),
        )

    def planned(self) -> list[Trial]:
        """All trials but those of a search, each id once; those included that only an open verdict would ask for."""
        trials: dict[str, Trial] = {}
        designs: dict[Design, Callable[[Entry], Iterator[Setting]]] = {
            "sweep": self._sweep,
            "pair": self._pair,
            "sobol": self._sobol,
        }
        for design, settings in designs.items():
            seeds = self.config.all_seeds if design == "sweep" else first_seeds(self.config.seeds)
            for loss in self.config.entries:
                for moved, setting in settings(loss):
                    first = self.trial(loss, setting, seeds[0], design, moved=moved)
                    for seed in seeds:
                        trial = replace(first, seed=seed)  # they share what is large
                        trials.setdefault(trial.id, trial)
        return list(trials.values())

    def _sweep(self, loss: Entry) -> Iterator[Setting]:
        """The default, then every other level of one hyperparameter after the other."""
        if self.config.designs.sweep is None:
            return
        yield None, {}
        defaults = self.config.defaults(loss)
        for name, levels in self.config.sweep_levels(loss).items():
            yield from ((name, {name: level}) for level in levels if level != defaults[name])

    def _pair(self, loss: Entry) -> Iterator[Setting]:
        """Both of a pair away from their defaults, at each of their levels; where one is not, it is the sweep's."""
        defaults, levels = self.config.defaults(loss), self.config.coarse_levels(loss)
        for pair in self.config.pairs(loss):
            away = [[level for level in levels[name] if level != defaults[name]] for name in pair]
            yield from ((", ".join(pair), dict(zip(pair, values, strict=True))) for values in product(*away))

    def _sobol(self, loss: Entry) -> Iterator[Setting]:
        sobol = self.config.designs.sobol
        if sobol is None:
            return
        from evenkeel.search_spaces.sobol import sobol_points

        points = sobol_points(self.config.axes(loss), self._shared_axes, m=sobol.m, seed=sobol.seed)
        yield from ((None, point) for point in points)

    @cached_property
    def _shared_axes(self) -> list[str]:
        from evenkeel.search_spaces.sobol import shared_axes

        return shared_axes(self.config.axes(loss) for loss in self.config.entries)

    def num_search_trials(self, loss: Entry) -> dict[Design, int]:
        """How many searched and confirming trials a loss will get; a loss without hyperparameters is not searched."""
        search = self.config.designs.search
        if search is None or not self.config.axes(loss).parameters:
            return {"search": 0, "confirm": 0}
        return {
            "search": search.groups * search.trials * search.seeds_per_group,
            "confirm": (search.groups + 1) * search.fresh_seeds,
        }


def make_planner(config: StudyConfig) -> Planner:
    """The planner of a study, its data and trainable identified by their contents, code of the user's by its source.

    Raises UserError for files that are missing.
    """
    try:
        data, trainable = data_identity(config.data), versioned(_trainable_identity(config))
        sources = {name: source_fingerprint(name) for name in config.own_code}
    except (TrainableError, ValueError, OSError) as error:
        raise UserError(str(error)) from error
    measures = {name: sources[name] for name in config.all_measures if name in sources}
    return Planner(
        config,
        data,
        trainable | _only("source", sources.get(config.trainable.name)) | _only("measures", measures),
        sources,
    )


def _trainable_identity(config: StudyConfig) -> dict[str, Any]:
    if ":" not in config.trainable.name:
        return config.trainable.identity(config.data)
    return own_identity(f"trainable: {config.trainable.name}", lambda: config.trainable.identity(config.data))


def _only(key: str, value: object) -> dict[str, Any]:
    """`{key: value}` where there is a value: without code of the user's an identity is what it was."""
    return {key: value} if value else {}
