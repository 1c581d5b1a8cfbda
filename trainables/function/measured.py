"""Every measure of what a training function predicted; imports torch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from evenkeel.trainables.function.returned import Predicted, Returned
from evenkeel.trainables.function.shared import Shared
from evenkeel.trainables.measures import METRICS, Evidence, columns, measure
from evenkeel.trainables.measures.evaluate import evaluate, of_trial
from evenkeel.trainables.measures.outcome import at_prior

RISE = "rise"


def measured_part(
    result: Returned, shared: Shared, validation: Mapping[str, Sequence[float]], measures: Sequence[str]
) -> dict[str, Any]:
    """`metrics`, `per_class` and `images` of a result: of its predictions, and of the rise of its validation curve.

    Predictions that are not finite are scored as the constant predictor of the training (else validation) frequencies.
    """
    evidence = replace(_evidence(result.predictions, shared), curves=_curves(validation))
    of_scores = [name for name in measures if measure(name).needs == "scores"]
    if not result.predictions:
        return of_trial(measure(RISE).compute(evidence), 0)._asdict() if RISE in measures else {}
    if result.not_finite:
        targets = shared.splits.targets if shared.splits else result.predictions["val"].targets
        evidence = at_prior(evidence, torch.as_tensor(targets).double().mean(0))
    return of_trial(evaluate(evidence, of_scores), 0)._asdict()


def _evidence(predictions: Mapping[str, Predicted], shared: Shared) -> Evidence:
    splits, test = shared.splits, predictions.get("test")
    num_classes = test.scores.shape[1] if test else 0
    return Evidence(
        {split: torch.as_tensor(part.scores)[None] for split, part in predictions.items()},
        {split: torch.as_tensor(part.targets) for split, part in predictions.items()},
        splits.groups() if splits else {},
        classes=tuple(splits.classes) if splits else tuple(map(str, range(num_classes))),
        image_groups=shared.image_groups(len(test.scores)) if test else None,
    )


def _curves(validation: Mapping[str, Sequence[float]]) -> dict[str, torch.Tensor]:
    """The curve of one metric, [1, E], turned where lower is better: what says whether training looks unfinished."""
    declared = columns(dict.fromkeys(METRICS.values()))
    for name, values in validation.items():
        if column := declared.get(name.removeprefix("val_")):
            sign = -1.0 if column.better == "lower" else 1.0
            return {name: sign * torch.tensor([values], dtype=torch.float64)}
    return {}
