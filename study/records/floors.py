"""The floor of each metric: what the best predictor scores that does not look at the image."""

from collections.abc import Callable, Mapping, Sequence
from math import log
from statistics import fmean

from evenkeel.trainables.measures.some_classes import MACRO, some_classes

OF_A_CLASS: dict[str, Callable[[float], float]] = {
    "f1": lambda share: 2 * share / (1 + share),
    "f1_tuned": lambda share: 2 * share / (1 + share),
    "map": lambda share: share,
    "mauc": lambda share: 0.5,
}
"""What a class scores, by its share of positives, when every image gets the same answer: F1 of "always", AP, AUC."""

OF_ALL_CLASSES: dict[str, Callable[[Sequence[float]], float]] = {
    "log_loss": lambda shares: fmean(_entropy([share, 1 - share]) for share in shares),
    "brier": lambda shares: fmean(share * (1 - share) for share in shares),
}
"""Lower is better: of the shares themselves as scores of every image."""

OF_ONE_LABEL: dict[str, Callable[[Sequence[float]], float]] = {
    "accuracy": max,
    "balanced_accuracy": lambda shares: 1 / len(_present(shares)),
    "f1_argmax": lambda shares: 2 * max(shares) / (1 + max(shares)) / len(_present(shares)),
    "kappa": lambda shares: 0.0,
    "cross_entropy": lambda shares: _entropy(shares),
}
"""With one label an image: of the most frequent class, or of the shares as scores."""


def floors(
    positives: Sequence[int], num_rows: int, *, metric: str, classes: Sequence[str], groups: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """By metric, from the positives of each class among `num_rows` test images.

    `metric` is that of the study, which may be of one class or of a group. Empty where no class has a positive.
    """
    shares = [count / num_rows for count in positives]
    if not _present(shares):
        return {}
    floors = {name: fmean(map(floor, _present(shares))) for name, floor in OF_A_CLASS.items()}
    floors |= {name: floor(shares) for name, floor in OF_ALL_CLASSES.items()}
    if sum(positives) == num_rows:
        floors |= {name: floor(shares) for name, floor in OF_ONE_LABEL.items()}
    if (part := some_classes(metric)) and (members := part.members(classes, groups)):
        own = _present([shares[c] for c in members])
        floors |= {metric: fmean(map(OF_A_CLASS[MACRO.get(part.score, part.score)], own))} if own else {}
    return floors


def _present(shares: Sequence[float]) -> list[float]:
    return [share for share in shares if share > 0]


def _entropy(shares: Sequence[float]) -> float:
    """In nats."""
    return -sum(share * log(share) for share in _present(shares))
