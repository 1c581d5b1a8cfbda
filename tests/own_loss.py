"""A loss as a user writes it: a dataclass that is called, and nothing else."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Halved:
    """Half of binary cross-entropy."""

    def __call__(self, logits, targets):
        return (torch.nn.functional.softplus(logits) - targets * logits) / 2
