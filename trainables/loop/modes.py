"""The mode in which a model is trained."""

from torch import nn


def set_training_mode(module: nn.Module, *, freeze_batch_norm: bool) -> None:
    """Training mode; frozen batch norms keep their statistics, whether or not their weights are trained."""
    module.train()
    if freeze_batch_norm:
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
