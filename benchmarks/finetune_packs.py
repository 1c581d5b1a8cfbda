"""Does it pay to fine-tune K trials at once, and from which size of model on no more?

At once: the K models' weights stacked, one step by torch.func (vmap over the gradient of each model's loss), one AdamW
on the stacks. Against the K models one after the other, as `finetune` trains them. The same steps on the same images,
whose losses must agree; the rivals take turns, the fastest counts. Models without batch norm, whose running statistics
torch.func cannot move. `--device cuda` asks a GPU. Run: python -m benchmarks.finetune_packs  (some minutes)
"""

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from evenkeel.trainables.models.torchvision_pair import import_torchvision

MODELS: dict[str, dict[str, Any]] = {
    "test_convnext": {},
    "test_vit": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {"img_size": 64},
}
CLASSES, LR = 20, 1e-4


def one_after_another(models: list[nn.Module], x: Tensor, y: Tensor) -> Callable[[], Tensor]:
    """A step of each model; gives the K losses."""
    optimisers = [torch.optim.AdamW(model.parameters(), lr=LR) for model in models]

    def step() -> Tensor:
        losses = []
        for model, optimiser in zip(models, optimisers, strict=True):
            optimiser.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    return step


def at_once(models: list[nn.Module], x: Tensor, y: Tensor) -> Callable[[], Tensor]:
    """The same by one pass over stacked weights."""
    weights, buffers = stack_module_state(models)
    optimiser = torch.optim.AdamW(weights.values(), lr=LR)
    bare = copy.deepcopy(models[0]).to("meta")

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        logits = functional_call(bare, (weights, buffers), (x,))
        return nn.functional.binary_cross_entropy_with_logits(logits, y)

    slopes = vmap(grad_and_value(loss), randomness="different")

    def step() -> Tensor:
        gradients, losses = slopes(weights, buffers)
        for name, weight in weights.items():
            weight.grad = gradients[name]
        optimiser.step()
        return losses

    return step


def timed(step: Callable[[], Tensor], steps: int, device: str) -> float:
    """Seconds a step."""
    started = time.perf_counter()
    for _ in range(steps):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def compare(name: str, k: int, options: argparse.Namespace) -> float:
    """How many times faster K at once are than one after another."""
    import timm

    torch.manual_seed(0)
    size = MODELS[name].get("img_size", options.size)
    models = [timm.create_model(name, num_classes=CLASSES, **MODELS[name]) for _ in range(k)]
    models = [model.to(options.device).train() for model in models]
    x = torch.rand(options.batch, 3, size, size, device=options.device) * 2 - 1
    y = (torch.rand(options.batch, CLASSES, device=options.device) < 0.1).float()
    rivals = [make(copy.deepcopy(models), x, y) for make in (one_after_another, at_once)]
    first = [[rival() for _ in range(2)] for rival in rivals]
    torch.testing.assert_close(first[0][1], first[1][1], rtol=1e-3, atol=1e-5)
    best = [min(times) for times in zip(*(_turn(rivals, options) for _ in range(options.repeats)), strict=True)]
    print(
        f"{name:24} {size:3} pixels, K = {k}: {1e3 * best[0]:7.1f} ms one after another, {1e3 * best[1]:7.1f} at once"
    )
    return best[0] / best[1]


def _turn(rivals: list[Callable[[], Tensor]], options: argparse.Namespace) -> list[float]:
    return [timed(rival, options.steps, options.device) for rival in rivals]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, nargs="+", default=[2, 8], help="trials at once")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    import_torchvision()
    ratios = {(name, k): compare(name, k, options) for name in options.models for k in options.k}
    for (name, k), ratio in ratios.items():
        print(f"ratio finetune-packs/{name}/{k} {ratio:.2f}")


if __name__ == "__main__":
    main()
