"""The optimiser of an `lm-clip` trial, and its learning rate."""

import torch
from torch import nn

from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.loop.schedule import cosine_share


def make_optimiser(parameters: list[nn.Parameter], settings: LmClip) -> torch.optim.AdamW:
    """AdamW as the settings say, over the parameters that are trained."""
    betas = (settings.beta1, settings.beta2)
    idle = [torch.zeros((), requires_grad=True)]  # torch refuses an optimiser without parameters
    return torch.optim.AdamW(
        parameters or idle, settings.lr, betas, settings.epsilon, settings.weight_decay, fused=True
    )


def learning_rate(settings: LmClip, epoch: int) -> float:
    """The learning rate of an epoch, from 0."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * cosine_share(epoch / (settings.schedule_epochs or settings.epochs))
