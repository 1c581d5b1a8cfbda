"""Which losses of a study may stand beside a printed row: those that were trained as the paper says.

A row is matched by its loss and data, and by all that the paper prints of the recipe: trainable, backbone, image size,
contrastive part, class-weighted sampling. What is not printed is not asked for. Nothing is matched by its name alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from evenkeel.reports.facts import LossFacts, StudyFacts


def family(facts: LossFacts) -> str:
    """The loss that a paper names; a printed form (`-eq4`) stands for its loss."""
    return facts.loss.split("-eq")[0]


def matching_labels(
    study: StudyFacts,
    loss: str,
    *,
    data: Iterable[str],
    setup: Mapping[str, Any],
    uses: Mapping[str, bool] | None = None,
) -> list[str]:
    """The labels of a study that repeat a printed row.

    `setup` holds the printed fields of RecipeFacts; `uses` says of hyperparameters whether they are other than 0.
    """
    if study.data.name not in data:
        return []
    return [
        label
        for label, facts in study.losses.items()
        if family(facts) == loss
        and setup.items() <= asdict(facts.recipe).items()
        and all(bool(facts.defaults.get(name)) == used for name, used in (uses or {}).items())
    ]
