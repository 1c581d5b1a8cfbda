"""From the trials of a pack to loss objects whose hyperparameters are [k, 1, 1] tensors."""

import importlib
from collections.abc import Callable
from dataclasses import fields
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from trainables.errors import TrainableError, nearest
from trainables.fused.run import fuse
from trainables.fused.trace import OF_CLASSES
from trainables.losses import LOSSES
from trainables.trial import Trial

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_class(name: str) -> type:
    """The loss called `name`, or `module:Class` of a user's own. Raises TrainableError when there is none."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise TrainableError(f"losses: cannot load {name!r} ({error}); check the module path") from error
    if name not in LOSSES:
        raise TrainableError(f"losses: unknown loss {name!r}; {nearest(name, LOSSES)}")
    return LOSSES[name]


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


def _stack(trials: list[Trial], facts: dict[str, Any], dtype: torch.dtype, device: str) -> Loss:
    maker = loss_class(trials[0].loss)
    arguments: dict[str, Any] = {
        name: _column(
            [trial.hyperparameters[name] for trial in trials], torch.float64 if name in OF_CLASSES else dtype, device
        )
        for name in trials[0].hyperparameters
    }
    wanted = {field.name for field in fields(maker)}
    loss = maker(**arguments, **{name: fact for name, fact in facts.items() if name in wanted})
    return fuse(loss) if dtype == torch.float32 and device == "cpu" else loss


def _column(values: list[Any], dtype: torch.dtype, device: str) -> Any:
    """A [k, 1, 1] tensor of real numbers; one plain value when all are equal."""
    if all(value == values[0] for value in values):
        return values[0]
    return torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)
