"""From the trials of a pack to loss objects whose hyperparameters are [k, 1, 1] tensors."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.fused import fuse
from evenkeel.trainables.losses import LOSSES, Loss
from evenkeel.trainables.settings import named
from evenkeel.trainables.trial import Trial


def loss_class(name: str) -> type[Any]:
    """The loss called `name`, or `module:Class` of a user's own. Raises TrainableError when there is none."""
    try:
        return named("loss", name, LOSSES)
    except ValueError as error:
        raise TrainableError(f"losses: {error}") from error


def signature(trial: Trial) -> str:
    """Trials of equal signature share one loss object: same class, same fields that are not real numbers."""
    static = {k: v for k, v in trial.hyperparameters.items() if not isinstance(v, float)}
    return f"{trial.loss} {sorted(static.items())}"


def stack_losses(trials: list[Trial], facts: dict[str, Any], dtype: torch.dtype, device: str) -> list[tuple[Loss, int]]:
    """One (loss, number of trials) per run of equal signatures; trials must be sorted by `signature`.

    `facts` of the training split (`counts` of each class, `total` images) go to the losses that have such fields.
    """
    stacked = []
    for _, run in groupby(trials, key=signature):
        members = list(run)
        stacked.append((_stack(members, facts, dtype, device), len(members)))
    return stacked


@dataclass(frozen=True, eq=False)
class Adopted(Loss):
    """A user's own loss that does not derive from `Loss`: a plain callable, with or without the optional parts."""

    entries: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.entries(logits, targets)

    def at(self, progress: float) -> Loss:
        own = getattr(self.entries, "at", None)
        return adopted(own(progress)) if own else self

    def log_odds(self, logits: Tensor) -> Tensor:
        own = getattr(self.entries, "log_odds", None)
        return own(logits) if own else logits


def adopted(loss: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """`loss` with every part that a trainable calls; the only place that asks which of them a user's loss has."""
    return loss if isinstance(loss, Loss) else Adopted(loss)


def _stack(trials: list[Trial], facts: dict[str, Any], dtype: torch.dtype, device: str) -> Loss:
    maker = loss_class(trials[0].loss)
    in_double = getattr(maker, "makes_weights", ())
    arguments: dict[str, Any] = {
        name: _column(
            [trial.hyperparameters[name] for trial in trials], torch.float64 if name in in_double else dtype, device
        )
        for name in trials[0].hyperparameters
    }
    wanted = {field.name for field in fields(maker)}
    loss = adopted(maker(**arguments, **{name: fact for name, fact in facts.items() if name in wanted}))
    return fuse(loss, device) if dtype == torch.float32 else loss


def _column(values: list[Any], dtype: torch.dtype, device: str) -> Any:
    """A [k, 1, 1] tensor of real numbers; one plain value when all are equal."""
    if all(value == values[0] for value in values):
        return values[0]
    return torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)
