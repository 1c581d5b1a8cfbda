"""What a report needs to know of a study besides its trials: from a study file, or from what was stored of it."""

from dataclasses import asdict
from typing import Any

from reports.facts import DataFacts, LossFacts, MeasureFacts, ParameterFacts, StudyFacts
from search_spaces.space import Parameter
from study.file.losses import Loss
from study.file.study import StudyConfig
from trainables.measures import columns

MEASURES = {
    name: MeasureFacts(column.title, column.better, column.splits, column.parts, column.headline)
    for name, column in columns().items()
}


def facts_of_study(config: StudyConfig, data: dict[str, Any], planned: dict[str, dict[str, int]]) -> StudyFacts:
    """The facts of a study; `data` is what the workers found in it, `planned` counts trials by loss and design."""
    return StudyFacts(
        name=config.name,
        description=config.description,
        metric=config.metric,
        margins=dict.fromkeys(MEASURES, config.margin),
        reduction=config.reduction,
        seeds=tuple(config.seeds),
        fresh_seeds=tuple(config.fresh_seeds),
        data=_data_facts(data),
        trainable=config.trainable.summary(),
        planned=planned,
        losses={loss.label: _loss_facts(loss) for loss in config.losses},
        measures=MEASURES,
    )


def read_facts(contents: dict[str, Any]) -> StudyFacts:
    """What was stored of a study, by this version or an earlier one. Raises ValueError for anything else."""
    return StudyFacts.from_json(contents if "measures" in contents else _upgraded(contents))


def _upgraded(summary: dict[str, Any]) -> dict[str, Any]:
    """What versions up to 0.2.0 stored: the settings of the one trainable there was, four metrics, one margin."""
    kept = {key: value for key, value in summary.items() if key not in ("designs", "margin")}
    return kept | {
        "margins": dict.fromkeys(MEASURES, summary["margin"]),
        "trainable": _words(summary["trainable"]),
        "data": asdict(_data_facts(summary["data"])),
        "measures": {name: asdict(measure) for name, measure in MEASURES.items()},
    }


def _words(trainable: dict[str, Any]) -> dict[str, str]:
    """What the header said of the only trainable that there was."""
    return {
        "model": f"{trainable['backbone']['name']}, frozen",
        "training": f"{trainable['epochs']} epochs, batch {trainable['batch']}, lr {trainable['lr']:g}",
    }


def _data_facts(found: dict[str, Any]) -> DataFacts:
    return DataFacts(
        name=found["name"],
        classes=tuple(found.get("classes", ())),
        rows=found.get("rows", {}),
        groups={name: tuple(members) for name, members in found.get("groups", {}).items()},
        undefined={split: tuple(classes) for split, classes in found.get("undefined", {}).items()},
    )


def _loss_facts(loss: Loss) -> LossFacts:
    space = {name: _parameter_facts(parameter) for name, parameter in loss.space().parameters.items()}
    return LossFacts(loss.loss, loss.fixed, loss.setting(), space)


def _parameter_facts(parameter: Parameter) -> ParameterFacts:
    return ParameterFacts(kind=type(parameter).__name__.lower(), **asdict(parameter))
