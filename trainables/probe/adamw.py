"""AdamW by torch's own fused kernel, without torch.optim.

Building a torch.optim optimiser imports torch's compiler, two seconds in every worker process; the kernel alone does
the same arithmetic (tested against torch.optim.AdamW).
"""

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """Adam with decoupled weight decay over a few large parameters. Source: Loshchilov and Hutter 2019, algorithm 2."""

    def __init__(self, parameters: list[Tensor], *, weight_decay: float) -> None:
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in parameters]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One step along the gradients, which are then dropped."""
        torch._foreach_add_(self.steps, 1)
        torch._fused_adamw_(
            self.parameters,
            [p.grad for p in self.parameters if p.grad is not None],
            self.means,
            self.squares,
            [],
            self.steps,
            lr=lr,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        for parameter in self.parameters:
            parameter.grad = None
