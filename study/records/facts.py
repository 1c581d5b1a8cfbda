"""What a report needs to know of a study besides its trials: from a study file, or from what was stored of it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from evenkeel.reports.facts import DataFacts, LossFacts, MeasureFacts, ParameterFacts, RecipeFacts, StudyFacts
from evenkeel.search_spaces.space import Parameter
from evenkeel.study.errors import UserError
from evenkeel.study.file.own_settings import settings_of, trainable_of
from evenkeel.study.file.study import Entry, StudyConfig
from evenkeel.study.records.floors import floors
from evenkeel.study.records.typed_json import read_as
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.measures import ALWAYS, HEADLINES, columns
from evenkeel.trainables.recipe import Recipe
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.seeds import SOURCES
from evenkeel.trainables.trial import Design


def declare_measures(measures: Iterable[str] = ALWAYS) -> dict[str, MeasureFacts]:
    """The declared columns of the named measures."""
    return {name: MeasureFacts(**vars(column)) for name, column in columns(measures).items()}


MEASURES = declare_measures()


def make_study_facts(
    config: StudyConfig,
    data: SplitFacts | DataFacts,
    planned: Mapping[str, Mapping[Design, int]],
    former: StudyFacts | None = None,
) -> StudyFacts:
    """The facts of a study; `data` is what workers found, now or before, `planned` counts trials by loss and design.

    `former` are the facts with which trials were recorded already: a margin that has changed since is kept in mind.
    """
    varied = config.trainable.varies(config.data) if isinstance(config.trainable, SeededSettings) else ()
    return StudyFacts(
        name=config.name,
        description=config.description,
        metric=config.metric,
        margins=config.margins,
        reduction=config.reduction,
        seeds=tuple(config.all_seeds),
        looks=config.looks,
        fresh_seeds=tuple(config.fresh_seeds),
        data=replace(_data_facts(data, config.metric), called=_called(config)),
        trainable=config.trainable.summary(),
        planned={label: {str(design): num for design, num in counts.items()} for label, counts in planned.items()},
        losses={loss.label: _loss_facts(config, loss) for loss in config.entries},
        measures=(former.measures if former else {})
        | {name: MeasureFacts(**vars(column)) for name, column in config.declared_columns.items()},
        varied=varied,
        constant=tuple(source for source in SOURCES if source not in varied) if varied else (),
        former_margins=_former_margins(former, config.margins),
        contrast=tuple(config.contrast),
        beside=config.designs.search.beside if config.designs.search else None,
        former_seeds=_former_seeds(former, len(config.all_seeds)),
    )


def _former_margins(former: StudyFacts | None, margins: dict[str, float]) -> tuple[dict[str, float], ...]:
    if former is None:
        return ()
    return former.former_margins if former.margins == margins else (*former.former_margins, former.margins)


def _former_seeds(former: StudyFacts | None, num_seeds: int) -> tuple[int, ...]:
    if former is None:
        return ()
    grown = (len(former.seeds),) if 0 < len(former.seeds) < num_seeds else ()
    return (*former.former_seeds, *grown)


def read_facts(contents: dict[str, Any], source: str = "study.json") -> StudyFacts:
    """What was stored of a study by this version or an earlier one. Raises UserError, with `source`, for all else."""
    try:
        facts = read_as(StudyFacts, contents if "measures" in contents else _upgraded(contents))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{source}: {error}; was it written by a newer evenkeel?") from error
    if unfit := next(facts.contradictions(), None):
        raise UserError(f"{source}: not the facts of a study ({unfit}); was it written by a newer evenkeel?")
    return facts


def _upgraded(summary: dict[str, Any]) -> dict[str, Any]:
    """What versions up to 0.2.0 stored: the settings of the one trainable there was, four metrics, one margin."""
    kept = {key: value for key, value in summary.items() if key not in ("designs", "margin")}
    return kept | {
        "margins": dict.fromkeys(HEADLINES, summary["margin"]),
        "trainable": _words(summary["trainable"]),
        "data": _former_data(summary["data"]),
        "measures": {name: asdict(measure) for name, measure in MEASURES.items()},
    }


def _former_data(data: dict[str, Any]) -> dict[str, Any]:
    """Of the data they stored its name, classes, rows, groups and undefined classes."""
    kept = ("name", "classes", "rows", "groups", "undefined")
    return {key: value for key, value in data.items() if key in kept}


def _words(trainable: dict[str, Any]) -> dict[str, str]:
    """What the header said of the only trainable that there was."""
    return {
        "model": f"{trainable['backbone']['name']}, frozen",
        "training": f"{trainable['epochs']} epochs, batch {trainable['batch']}, lr {trainable['lr']:g}",
    }


def _called(config: StudyConfig) -> str:
    return config.data.called if isinstance(config.data, DataSettings) else ""


def _data_facts(facts: SplitFacts | DataFacts, metric: str) -> DataFacts:
    """The facts on the reports' side of the wall."""
    if isinstance(facts, DataFacts):
        return facts
    test = facts.positives.get("test")
    rows = facts.rows.get("test", 0)
    return DataFacts(
        name=facts.name,
        classes=facts.classes,
        rows=facts.rows,
        groups=facts.groups,
        undefined=facts.undefined,
        positives=facts.positives,
        skipped=facts.skipped,
        floor=floors(test, rows, metric=metric, classes=facts.classes, groups=facts.groups) if test else {},
    )


def _loss_facts(config: StudyConfig, loss: Entry) -> LossFacts:
    levels = {name: tuple(placed) for name, placed in config.sweep_levels(loss).items()}
    coarse = {name: tuple(placed) for name, placed in config.coarse_levels(loss).items()}
    space = {name: _parameter_facts(parameter) for name, parameter in config.axes(loss).parameters.items()}
    settings, trainable = settings_of(config.trainable, loss), trainable_of(config.trainable, loss)
    recipe = trainable.recipe() if isinstance(trainable, SeededSettings) else Recipe()
    return LossFacts(
        loss.loss,
        loss.fixed | settings,
        config.defaults(loss) | settings,
        space,
        levels,
        {name: placed for name, placed in coarse.items() if placed != levels[name]},
        published=loss.departures(),
        recipe=RecipeFacts(**asdict(recipe)),
    )


def _parameter_facts(parameter: Parameter) -> ParameterFacts:
    return ParameterFacts(kind=type(parameter).__name__.lower(), **asdict(parameter))
