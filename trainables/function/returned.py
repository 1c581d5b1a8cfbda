"""What a training function returned, checked once: scores by split, or predictions by split."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evenkeel.trainables.errors import TrainableError, nearest, shown
from evenkeel.trainables.measures import METRICS, UNBOUNDED
from evenkeel.trainables.result import MAX_NUMBER

RETURNED_SPLITS = ("val", "test")
SHAPE = "{'val': {'accuracy': 0.9}, 'test': {'accuracy': 0.9}}"
PREDICTED = ("scores", "targets")
LOWEST, ROUNDING = {"kappa": -1.0}, 1e-6
"""Where a metric of ours may lie below 0, and how far above 1 by its arithmetic."""


@dataclass(frozen=True)
class Predicted:
    """Scores [N, C] in [0, 1] and targets [N, C] of 0 and 1 of one split."""

    scores: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Returned:
    """Of each split its own scores by name, and its predictions where there are any."""

    scores: dict[str, dict[str, float]]
    predictions: dict[str, Predicted] = field(default_factory=dict)

    @property
    def layout(self) -> tuple[str, ...]:
        """What is there: the same for every trial of a study."""
        return (*sorted(self.scores["test"]), *(["predictions"] if self.predictions else []))

    @property
    def not_finite(self) -> list[str]:
        """What left the finite numbers, in words."""
        lost = [
            f"{split} {name}"
            for split, own in self.scores.items()
            for name, value in own.items()
            if not abs(value) <= MAX_NUMBER
        ]
        broken = (split for split, part in self.predictions.items() if not np.isfinite(part.scores).all())
        return lost + [f"{split} scores" for split in broken]


def returned(reference: str, value: Any, own: Collection[str]) -> Returned:
    """What `reference` returned, as numbers; `own` are the names of other scores that the study declares.

    Raises TrainableError for anything else, saying what to return.
    """
    if not isinstance(value, Mapping):
        raise TrainableError(f"{reference} returned {shown(value)}; return scores by split, as {SHAPE}")
    for split in value:
        if split not in RETURNED_SPLITS:
            raise TrainableError(f"{reference} returned {split!r}; {nearest(str(split), RETURNED_SPLITS)}")
    for split in RETURNED_SPLITS:
        if split not in value:
            raise TrainableError(f"{reference} returned no {split!r}; return both, as {SHAPE}")
    parts = {split: _part(reference, split, value[split], own) for split in RETURNED_SPLITS}
    scores = {split: own_scores for split, (own_scores, _) in parts.items()}
    predictions = {split: predicted for split, (_, predicted) in parts.items() if predicted is not None}
    _check_same(reference, scores, predictions)
    return Returned(scores, predictions)


def _part(reference: str, split: str, part: Any, own: Collection[str]) -> tuple[dict[str, float], Predicted | None]:
    if isinstance(part, tuple | list) and len(part) == 2:
        part = dict(zip(PREDICTED, part, strict=True))
    if not isinstance(part, Mapping):
        raise TrainableError(
            f"{reference} returned {shown(part)} for {split!r}; return numbers by name, or a pair (scores, targets)"
        )
    scores = {name: _score(reference, split, name, x, own) for name, x in part.items() if name not in PREDICTED}
    keys = [name for name in PREDICTED if name in part]
    if len(keys) == 1:
        raise TrainableError(f"{reference} returned {keys[0]} of {split!r} alone; return scores and targets")
    if not keys and not scores:
        raise TrainableError(f"{reference} returned nothing for {split!r}; return numbers by name, as {SHAPE}")
    return scores, _predicted(reference, split, part) if keys else None


def _score(reference: str, split: str, name: Any, value: Any, own: Collection[str]) -> float:
    if name not in own and name not in METRICS:
        declare = f"declare a score of your own: measures: [{{name: {name}, better: higher}}]"
        raise TrainableError(f"{reference} returned {name!r}, which is no metric; {_hint(str(name))}{declare}")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TrainableError(f"{reference} returned {shown(value)} as {split} {name}; return a number") from error
    if name in METRICS and name not in UNBOUNDED:
        _check_bounds(f"{reference} returned {number:g} as {split} {name}", name, number)
    return number


def _check_bounds(words: str, name: str, number: float) -> None:
    """Percents would be judged by the margin of a share."""
    lowest = LOWEST.get(name, 0.0)
    if math.isfinite(number) and not lowest <= number <= 1 + ROUNDING:
        raise TrainableError(
            f"{words}, which lies from {lowest:g} to 1; return a share, or another name that the study declares: "
            f"measures: [{{name: my_{name}, better: higher}}]"
        )


def _hint(name: str) -> str:
    hint = nearest(name, METRICS)
    return f"{hint} or " if hint.startswith("did") else ""


def _predicted(reference: str, split: str, part: Mapping[str, Any]) -> Predicted:
    scores, targets = (np.asarray(_plain(part[name])) for name in PREDICTED)
    place = f"{reference} returned for {split!r}"
    if scores.ndim == 1:  # of the positive one of two classes
        scores = np.stack([1 - scores, scores], 1)
    if scores.ndim != 2 or len(scores) != len(targets) or not len(scores):
        raise TrainableError(
            f"{place} scores of shape {scores.shape} and targets of shape {targets.shape}; return a row an image"
        )
    finite = scores[np.isfinite(scores)]
    if len(finite) and (finite.min() < 0 or finite.max() > 1):
        odd = float(finite.min() if finite.min() < 0 else finite.max())
        raise TrainableError(f"{place} a score of {odd:g}; return probabilities in [0, 1], by a softmax or a sigmoid")
    return Predicted(scores.astype(float), _multi_hot(place, targets, scores.shape[1]))


def _multi_hot(place: str, targets: np.ndarray, num_classes: int) -> np.ndarray:
    if targets.ndim == 1:
        numbers = targets.astype(int)
        if not np.array_equal(numbers, targets) or numbers.min() < 0 or numbers.max() >= num_classes:
            odd = targets.min() if targets.min() < 0 else targets.max()
            raise TrainableError(f"{place} a target of {odd}; return class numbers from 0 to {num_classes - 1}")
        return np.eye(num_classes)[numbers]
    if targets.shape[1:] != (num_classes,) or not np.isin(targets, (0, 1)).all():
        raise TrainableError(
            f"{place} targets of shape {targets.shape}; return 0 or 1 for each of {num_classes} classes"
        )
    return targets.astype(float)


def _plain(values: Any) -> Any:
    """An array of torch as one of numpy."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def _check_same(reference: str, scores: dict[str, dict[str, float]], predictions: dict[str, Predicted]) -> None:
    val, test = (sorted(scores[split]) for split in RETURNED_SPLITS)
    if val != test:
        one_sided = sorted(set(val) ^ set(test))[0]
        split = "val" if one_sided in val else "test"
        raise TrainableError(f"{reference} returned {one_sided!r} for {split!r} only; return it for val and for test")
    if len(predictions) == 1:
        raise TrainableError(f"{reference} returned predictions for {next(iter(predictions))!r} only; return both")
