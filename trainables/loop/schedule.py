"""The cosine by which a learning rate falls, as timm's schedule has it.

A trainable of heads or prompts takes it from here: timm's schedules belong to an optimiser of torch.optim, which takes
each worker two seconds to import. A whole model is scheduled by timm itself (`models.training`).
"""

import math


def cosine_share(progress: float) -> float:
    """Share of the first rate at `progress` in [0, 1] of the budget: 1 at its start, 0 at its end.

    Source: Loshchilov and Hutter 2017, eq. 5, one cycle.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))
