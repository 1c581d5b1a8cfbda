"""What the compiled paths share: a loss that is the eager one but for its speed, and the test that it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.losses.entrywise import EntryLoss, Loss

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(logits [..., B, C], targets) -> means [...] and their slopes [..., B, C] in the type of the logits."""


@dataclass(frozen=True, eq=False)
class Faster(Loss):
    """A loss with a compiled path for its means; what that cannot do the loss itself does."""

    loss: EntryLoss
    path: ClassVar[str]

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.loss(logits, targets)

    def at(self, progress: float) -> Loss:
        later = self.loss.at(progress)
        return self if later is self.loss else later

    def log_odds(self, logits: Tensor) -> Tensor:
        return self.loss.log_odds(logits)

    def means(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the entries of each batch, [...]."""
        return self(logits, targets).mean((-2, -1))


class Means(torch.autograd.Function):
    """Means [...] of entries whose slopes came with them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, targets: Tensor, step: Step) -> Tensor:
        value, slope = step(x, targets)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        grad = grads[0]
        is_one = grad.is_cpu and (grad.item() == 1 if grad.numel() == 1 else bool((grad == 1).all()))
        return slope if is_one else slope * grad[..., None, None].to(slope.dtype), None, None


def small_batch(loss: EntryLoss, shapes: Iterable[tuple[int, ...]], device: str) -> tuple[Tensor, Tensor]:
    """Logits from -5 to 4 and targets, [..., 4, C], that fit the loss and hyperparameters of these shapes."""
    per_class = getattr(loss, "counts", None) or getattr(loss, "weights", None) or (1, 1, 1)
    *lead, _, num_classes = np.broadcast_shapes(*shapes, (1, len(per_class)))
    logits = torch.linspace(-5, 4, 4 * num_classes).view(4, -1).expand(*lead, 4, num_classes)
    return logits.contiguous().to(device), torch.eye(4, num_classes, device=device)


def agree(ours: Callable[..., Tensor], eager: Callable[..., Tensor], logits: Tensor, targets: Tensor) -> bool:
    """Whether two paths give the same values and slopes for logits and targets [B, C].

    A loss may do more than its two sides say.
    """

    def run(path: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
        x = logits.clone().requires_grad_()
        with torch.enable_grad():
            values = path(x, targets)
            (gradient,) = torch.autograd.grad(values.sum(), x)
        return values.detach(), gradient

    return all(
        torch.allclose(a, b.float(), rtol=1e-3, atol=1e-4 * max(1.0, float(b.abs().max())), equal_nan=True)
        for a, b in zip(run(ours), run(eager), strict=True)
    )
