"""The loss that a training function is given: called on logits and targets it returns the mean, ready for backward."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.packing import stack_losses
from evenkeel.trainables.trial import Trial


@dataclass(frozen=True, eq=False)
class TrainingLoss:
    """The loss of one trial. `facts` are what class-weighted losses need: `counts` of each class, `total` rows."""

    trial: Trial
    facts: dict[str, Any]
    device: str = "cpu"
    progress: float = 0.0
    """How far the training is, in [0, 1): some losses change."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over all entries, for logits [B, C] and targets [B, C] of 0 and 1, or class numbers [B]."""
        return self.entries(logits, targets).mean()

    def entries(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of each entry, [B, C]."""
        if targets.ndim == logits.ndim - 1:
            targets = torch.nn.functional.one_hot(targets.long(), logits.shape[-1])
        return self._loss(logits, targets.to(logits.dtype))

    def probabilities(self, logits: Tensor) -> Tensor:
        """The probabilities, in [0, 1], that the loss trains: what to return as scores, [B, C]."""
        return torch.sigmoid(self._loss.log_odds(logits.detach().double()))

    def at(self, progress: float) -> "TrainingLoss":
        """The loss to use at `progress` in [0, 1) of the training."""
        return TrainingLoss(self.trial, self.facts, self.device, progress)

    def with_counts(self, counts: list[int], total: int) -> "TrainingLoss":
        """The same for a training set with so many positives of each class, and so many rows."""
        facts = {"counts": tuple(int(count) for count in counts), "total": int(total)}
        return TrainingLoss(self.trial, facts, self.device, self.progress)

    def __str__(self) -> str:
        return self.trial.loss

    @cached_property
    def _loss(self) -> Loss:
        """Raises TrainableError for a loss that needs the counts of the classes and was not given them."""
        try:
            ((loss, _),) = stack_losses([self.trial], self.facts, torch.float32, self.device)
        except TypeError as error:
            raise TrainableError(
                f"loss {self.trial.loss} needs the training rows of each class ({error}); call it as "
                "loss.with_counts(counts, total)(logits, targets)"
            ) from error
        return loss.at(self.progress)
