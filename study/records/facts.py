"""What a report needs to know of a study besides its trials."""

from dataclasses import asdict
from typing import Any

from study.file.study import StudyConfig


def summary_of(config: StudyConfig, facts: dict[str, Any], planned: dict[str, dict[str, int]]) -> dict[str, Any]:
    """What a report needs to know of the study besides its trials; plain JSON."""
    return {
        "name": config.name,
        "description": config.description,
        "metric": config.metric,
        "margin": config.margin,
        "reduction": config.reduction,
        "seeds": config.seeds,
        "fresh_seeds": config.fresh_seeds,
        "data": {"name": config.data.name, **facts},
        "trainable": config.trainable.model_dump(mode="json"),
        "designs": config.designs.model_dump(mode="json"),
        "planned": planned,
        "losses": {
            loss.label: {
                "loss": loss.loss,
                "fixed": loss.fixed,
                "defaults": loss.setting(),
                "space": {
                    name: asdict(parameter) | {"kind": type(parameter).__name__.lower()}
                    for name, parameter in loss.space().parameters.items()
                },
            }
            for loss in config.losses
        },
    }
