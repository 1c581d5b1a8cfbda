"""Losses, data sets and trainables that break a rule each, and some that keep to all of them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce


@dataclass(frozen=True)
class Weighed:
    """Keeps to every rule."""

    w: float = 1.0

    def __call__(self, logits, targets):
        return self.w * bce(logits, targets.expand_as(logits), reduction="none")


class Mean(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets).mean()


class Whole(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets).long()


class Infinite(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets) - torch.log(torch.relu(logits))


class Constant(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits.detach(), targets)


class Drawn(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets) * torch.rand(())


class Seeding(Weighed):
    def __call__(self, logits, targets):
        torch.manual_seed(int(torch.randint(9, ())))
        return super().__call__(logits, targets)


class Widening(Weighed):
    def __call__(self, logits, targets):
        torch.set_default_dtype(torch.float64)
        return super().__call__(logits, targets)


class Leaving(Weighed):
    def __call__(self, logits, targets):
        raise SystemExit(4)


class Halving(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits.bfloat16(), targets.bfloat16())


class DrawnAlone(Drawn):
    alone: ClassVar[bool] = True


class OfAll(Weighed):
    """Divides by the maximum over all trials of a pack."""

    def __call__(self, logits, targets):
        return super().__call__(logits / logits.detach().abs().max(), targets)


class OfAllAlone(OfAll):
    alone: ClassVar[bool] = True


class OfRows(Weighed):
    """A maximum over the batch of each trial is no harm to others."""

    def __call__(self, logits, targets):
        return super().__call__(logits / logits.detach().abs().amax((-2, -1), keepdim=True), targets)


class Branching(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets) * (2 if self.w > 0.9 else 1)


class Writing(Weighed):
    def __call__(self, logits, targets):
        value = super().__call__(logits, targets.clone())
        targets.clamp_(0.1, 0.9)
        return value


class Raising(Weighed):
    def __call__(self, logits, targets):
        raise KeyError("weights")


class Shifting(Weighed):
    def __call__(self, logits, targets):
        value = super().__call__(logits, targets)
        logits.data.add_(1)
        return value


class Sparse(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets).to_sparse()


class Elsewhere(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets).to("meta")


class Narrow(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(logits, targets).to(torch.float8_e4m3fn)


class Slope(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, slope):
        raise ArithmeticError("no slope here")


class Backward(Weighed):
    def __call__(self, logits, targets):
        return super().__call__(Slope.apply(logits), targets)


class Stepping(Weighed):
    def __call__(self, logits, targets):
        value = super().__call__(logits, targets)
        value.sum().backward(retain_graph=True)
        return value


class Placing(Weighed):
    def __call__(self, logits, targets):
        torch.set_default_device("meta")
        return super().__call__(logits, targets)


class Rounding(Weighed):
    def __call__(self, logits, targets):
        torch.set_float32_matmul_precision("medium")
        return super().__call__(logits, targets)


class Ending(Weighed):
    def at(self, progress):
        return self if progress < 0.9 else None


class Averaging(Weighed):
    def log_odds(self, logits):
        return logits.mean(-1)


class Unsure(Weighed):
    def log_odds(self, logits):
        return logits.log()


class OfFourteen(Weighed):
    """Weights for the classes of the data that it was written for."""

    def __call__(self, logits, targets):
        return super().__call__(logits, targets) * torch.linspace(1, 2, 14)
