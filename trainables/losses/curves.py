"""A loss as a curve: value and gradient of one entry against its probability, for pictures."""

from dataclasses import fields
from typing import Any

import numpy as np
import torch

from evenkeel.trainables.losses import LOSSES
from evenkeel.trainables.losses._softmax import SoftmaxLoss

FACTS = {"counts": (400, 100, 25, 5), "total": 500}
"""The training set that the pictures assume; they show the rarest class."""

NUM_POINTS, REACH = 241, 6.0


def along_p(name: str, **hyperparameters: Any) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """(p, (loss of a positive, of a negative, gradient of a positive, of a negative)), each [NUM_POINTS].

    The other classes lie at logit 0; all points are one batch. A softmax loss is that of the whole row.
    """
    parameters = {field.name for field in fields(LOSSES[name])}
    loss = LOSSES[name](**{key: fact for key, fact in FACTS.items() if key in parameters}, **hyperparameters)
    x = torch.zeros(NUM_POINTS, len(FACTS["counts"]), dtype=torch.float64)  # type: ignore[arg-type]
    x[:, -1] = torch.linspace(-REACH, REACH, NUM_POINTS, dtype=torch.float64)
    x.requires_grad_()
    softmax = isinstance(loss, SoftmaxLoss)
    values, slopes = [], []
    for label in (-1, 0):
        y = torch.zeros_like(x)
        y[:, label] = 1
        entries = loss(x, y)
        entries = entries.sum(-1) if softmax else entries[:, -1]
        (gradient,) = torch.autograd.grad(entries.sum(), x)
        values.append(entries.detach().numpy())
        slopes.append(gradient[:, -1].numpy())
    return torch.sigmoid(loss.log_odds(x)[:, -1]).detach().numpy(), (*values, *slopes)
