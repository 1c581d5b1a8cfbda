"""What does a loss cost, forward and backward, against binary cross-entropy and against its formula written plainly?

For every multi-label loss: the fused path, the eager path and the plain formula with autograd (as released codes are
written), beside torch's eager binary_cross_entropy_with_logits on the same logits and targets; float32 and bfloat16.
One thread, as a worker has; targets 4% positive; the packed size has 64 trials with different hyperparameters.
A step is the mean over entries and its gradient; minimum of repeats, all rivals in turn within each repeat. `memory` is
the largest sum of live allocations during a step over that of BCE plus one float32 tensor of the size of the logits.
Run: make bench-losses  (about five minutes)
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from benchmarks.released import RELEASED
from evenkeel.search_spaces import SPACES, Float
from evenkeel.trainables.fused import fuse, means, path_of
from evenkeel.trainables.losses import LOSSES

SIZES = {"256x26": (256, 26), "256x260": (256, 260), "4096x1000": (4096, 1000), "64x256x80": (64, 256, 80)}
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
NAMES = [name for name in LOSSES if not SPACES[name].one_label]
REPEATS = {"small": 300, "large": 8}
Step = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ratios = []
    print(f"{'loss':12} {'size':>10} {'type':>9} {'bce ms':>8} {'fused':>8} {'eager':>8} {'plain':>8} {'memory':>7}")
    for name in options.losses:
        for size, shape in SIZES.items():
            for type_name, dtype in TYPES.items():
                bce, fused, eager, plain, memory = _measured(name, shape, dtype)
                times = " ".join(f"{ms:8.3f}" for ms in (bce, fused, eager, plain))
                print(f"{name:12} {size:>10} {type_name:>9} {times} {memory:7.2f}", flush=True)
                place = f"{name}/{size}/{type_name}"
                ratios += [
                    (f"{place}/vs-bce-eager", fused / bce),
                    (f"{place}/eager-vs-plain", plain / eager),
                    (f"{place}/fused-vs-plain", plain / fused),
                    (f"{place}/memory", memory),
                ]
    for label, ratio in ratios:
        print(f"ratio {label} {ratio:.2f}")


def _measured(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[float, ...]:
    """Milliseconds a step of BCE, fused, eager and plain; peak memory of fused over BCE's plus a tensor."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(shape, generator=generator) * 2 - 1).to(dtype).requires_grad_()
    targets = (torch.rand(shape[-2:], generator=generator) < 0.04).float()
    same = targets.expand(shape).to(dtype).contiguous()
    setting = setting_of(name, shape, generator)
    loss = LOSSES[name](**setting)
    fused = fuse(loss)
    assert path_of(fused) == "fused"

    def trained(means_of_trials: Tensor) -> Tensor:
        return means_of_trials.sum() if means_of_trials.dim() else means_of_trials

    def plainly() -> Tensor:
        return RELEASED[name](x.float(), targets, **setting).mean()

    steps: list[Step] = [
        lambda: torch.autograd.grad(functional.binary_cross_entropy_with_logits(x, same), x),
        lambda: torch.autograd.grad(trained(means(fused, x, targets)), x),
        lambda: torch.autograd.grad(loss(x, targets).mean(), x),
        lambda: torch.autograd.grad(plainly(), x),
    ]
    repeats = REPEATS["small" if x.numel() < 10**6 else "large"]
    best = [float("inf")] * len(steps)
    for _ in range(repeats + 1):  # the first round warms up
        for number, step in enumerate(steps):
            started = time.perf_counter()
            step()
            best[number] = min(best[number], 1e3 * (time.perf_counter() - started))
    return *best, _peak(steps[1]) / (_peak(steps[0]) + 4 * x.numel())


def setting_of(name: str, shape: tuple[int, ...], generator: torch.Generator) -> dict:
    """Published defaults; for packs each real hyperparameter with a value of its own in every trial."""
    facts = {"counts": tuple(range(20, 20 + shape[-1])), "total": 20 * shape[-1]}
    hyperparameters = {field.name for field in fields(LOSSES[name])}
    setting = {key: fact for key, fact in facts.items() if key in hyperparameters}
    if len(shape) == 2:
        return setting
    for key, parameter in SPACES[name].parameters.items():
        if isinstance(parameter, Float):
            shares = torch.rand(shape[0], generator=generator).tolist()
            setting[key] = torch.tensor([parameter.at(0.1 + 0.8 * s) for s in shares]).view(-1, 1, 1)
    return setting


def _peak(step: Step) -> int:
    """The largest number of bytes alive at once that a step allocates."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    live = peak = 0
    for event in profiler.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak


if __name__ == "__main__":
    main()
