"""From the trials of a pack to loss objects whose hyperparameters are [k, 1, 1] tensors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.fused import fuse
from evenkeel.trainables.loop.step import own_randomness
from evenkeel.trainables.losses import LOSSES, Loss
from evenkeel.trainables.random_streams import stream_seed
from evenkeel.trainables.result import Result
from evenkeel.trainables.settings import look_up
from evenkeel.trainables.trial import Trial


def loss_class(name: str) -> type[Any]:
    """The loss called `name`, or `module:Class` of a user's own. Raises TrainableError when there is none."""
    try:
        return look_up("loss", name, LOSSES)
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
    """`loss`, from logits and targets [B, C] to entries [B, C], with every part that a trainable calls.

    The only place that asks which of them a user's loss has.
    """
    return loss if isinstance(loss, Loss) else Adopted(loss)


def make_loss(
    name: str, settings: Sequence[dict[str, Any]], facts: dict[str, Any], dtype: torch.dtype, device: str
) -> Loss:
    """One loss object for K settings of one loss; hyperparameters that differ are [K, 1, 1] tensors of `dtype`.

    Raises TrainableError for a loss that does not exist, and what its class raises for a setting.
    """
    maker = loss_class(name)
    in_double = getattr(maker, "makes_weights", ())
    arguments: dict[str, Any] = {
        key: _column([setting[key] for setting in settings], torch.float64 if key in in_double else dtype, device)
        for key in settings[0]
    }
    own = {field.name for field in fields(maker)}
    return adopted(maker(**arguments, **{key: fact for key, fact in facts.items() if key in own}))


def _stack(trials: list[Trial], facts: dict[str, Any], dtype: torch.dtype, device: str) -> Loss:
    loss = make_loss(trials[0].loss, [trial.hyperparameters for trial in trials], facts, dtype, device)
    return fuse(loss, device) if dtype == torch.float32 else loss


def _column(values: list[Any], dtype: torch.dtype, device: str) -> Any:
    """A [k, 1, 1] tensor of real numbers; one plain value when all are equal."""
    if all(value == values[0] for value in values):
        return values[0]
    return torch.tensor(values, dtype=dtype, device=device).view(-1, 1, 1)


def travels_alone(name: str) -> bool:
    """Whether the class of a loss says `alone = True`: it draws random numbers, or its trials depend on each other."""
    return bool(getattr(loss_class(name), "alone", False))


def isolated_groups(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials of a pack, cut so that no loss of a user's own computes beside another loss.

    Whatever it writes to, raises or leaves behind in torch's generator, the numbers of the others are not touched.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        own = trial.loss if ":" in trial.loss else ""
        groups.setdefault(f"{own} {trial.id}" if own and travels_alone(own) else own, []).append(trial)
    return list(groups.values())


def train_isolated(
    trials: Sequence[Trial], seed: int, train: Callable[[list[Trial]], list[Result]]
) -> Iterator[tuple[Trial, Result]]:
    """Results of `train`, which gets trials sorted by `signature`, one isolated group after the other.

    Each has torch's generator at the seed's stream for losses. What one group raises is raised when all others are
    done.
    """
    first_error: Exception | None = None
    for group in isolated_groups(sorted(trials, key=signature)):
        try:
            with own_randomness(deterministic=False):
                torch.manual_seed(stream_seed(seed, "loss"))
                yield from zip(group, train(group), strict=True)
        except Exception as error:
            first_error = first_error or error
    if first_error:
        raise first_error
