"""One exact training step: micro-batches give the gradient of the whole batch, whatever the loss.

The loss is computed once, on the logits of the whole batch, in float32; its slopes by the logits are then carried
through the model micro-batch by micro-batch (gradient caching, Gao et al. 2021). So a loss whose entries need the whole
batch (the batch maximum of `bal`, say) is exact too; the price is one more forward pass. Batch norms in training mode
still normalise by micro-batch: freeze them where that matters.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evenkeel.trainables.device import out_of_memory

Forward = Callable[[Tensor], Tensor]
Scale = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Precision:
    """Autocast of the forward pass; `name` is a torch type."""

    name: str
    device: str

    def cast(self) -> AbstractContextManager[object]:
        """The context of a forward pass."""
        if self.name == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], getattr(torch, self.name))

    def scaler(self) -> torch.amp.GradScaler:
        """Loss scaling, which float16 needs."""
        return torch.amp.GradScaler(self.device.split(":")[0], enabled=self.name == "float16")


def gradients(
    forward: Forward, images: Tensor, loss: Callable[[Tensor], Tensor], *, micro: int, scale: Scale, seed: int
) -> Tensor:
    """Add to the parameters' gradients those of scale(loss(logits [B, C])); returns the loss.

    Dropout is drawn from `seed`, one seed a micro-batch.
    """
    parts = images.split(_even(len(images), micro))
    if len(parts) == 1:
        torch.manual_seed(seed)
        value = loss(forward(images).float())
        scale(value).backward()
        return value.detach()
    with torch.no_grad():
        logits = torch.cat([_drawn(forward, part, seed + i) for i, part in enumerate(parts)]).float()
    logits.requires_grad_()
    value = loss(logits)
    (slopes,) = torch.autograd.grad(scale(value), logits)
    for i, (part, slope) in enumerate(zip(parts, slopes.split(len(parts[0])), strict=True)):
        _drawn(forward, part, seed + i).backward(slope)
    return value.detach()


def _even(num: int, most: int) -> int:
    """The size of parts of at most `most`, about alike: a last one of a single image has no spread for a batch norm."""
    return -(-num // -(-num // most))


def gradients_through(
    encoders: dict[str, tuple[Forward, Tensor]],
    loss: Callable[[dict[str, Tensor]], Tensor],
    *,
    micro: int,
    seed: int,
    cast: Callable[[], AbstractContextManager[object]],
) -> Tensor:
    """Add to the parameters' gradients those of loss(what each encoder gives of its inputs); returns the loss [].

    In parts where the first encoder has more inputs than `micro`, as `gradients`: exact for a loss that needs all of
    them, a contrastive one. Every encoder's inputs are cut into as many parts.
    """
    num = -(-len(next(iter(encoders.values()))[1]) // micro)
    torch.manual_seed(seed)
    if num == 1:
        with cast():
            outputs = {name: encode(inputs) for name, (encode, inputs) in encoders.items()}
        value = loss(outputs)
        if value.requires_grad:
            value.backward()
        return value.detach()
    parts = {name: (encode, inputs.split(-(-len(inputs) // num))) for name, (encode, inputs) in encoders.items()}
    with torch.no_grad(), cast():
        outputs = {
            name: torch.cat([_seeded(encode, part, seed + i) for i, part in enumerate(cut)])
            for name, (encode, cut) in parts.items()
        }
    value = loss({name: whole.requires_grad_() for name, whole in outputs.items()})
    value.backward()
    for name, (encode, cut) in parts.items():
        slopes = outputs[name].grad
        if slopes is None:
            continue
        for i, (part, slope) in enumerate(zip(cut, slopes.split(len(cut[0])), strict=True)):
            with cast():
                again = _seeded(encode, part, seed + i)
            if again.requires_grad:
                again.backward(slope)
    return value.detach()


def _seeded(encode: Forward, inputs: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return encode(inputs)


def _drawn(forward: Forward, images: Tensor, seed: int) -> Tensor:
    return _seeded(forward, images, seed).float()


def halving(micro: int, step: Callable[[int], Tensor], module: nn.Module) -> tuple[Tensor, int]:
    """(`step(micro)`, a scalar; the last `micro`), with half the micro-batch as often as memory runs out.

    Raises what a single image raises.
    """
    while True:
        try:
            return step(micro), micro
        except (MemoryError, RuntimeError) as error:
            if micro == 1 or not out_of_memory(error):
                raise
        module.zero_grad(set_to_none=True)
        micro = -(-micro // 2)


@contextmanager
def own_randomness(deterministic: bool) -> Iterator[None]:
    """The generators and the determinism of torch are afterwards as they were."""
    before, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        _set_deterministic(deterministic or before, warn_only=deterministic or before)
        try:
            yield
        finally:
            _set_deterministic(before, warn_only=warns)


def _set_deterministic(mode: bool, *, warn_only: bool) -> None:
    """Only what differs is set: torch's function imports its compiler, which takes more than a second."""
    now = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if now != (mode, warn_only):
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
