"""What a GPU makes of evenkeel, in under ten minutes: packs of heads, losses, fine-tuning, and features beside a CPU's.

probe: trials a second of packs of 64 to 1,024 heads against one head at a time, on the demo's features.
losses: forward and backward of each loss, fused, against torch's eager binary cross-entropy on the same logits.
finetune: images a second of our steps against plain steps on a batch that lies on the device.
features: the largest difference between the features of the device and of the CPU, and of F1 of a head on each.
Run: make bench-gpu, which adds packs of whole networks  (`--device cpu --quick` tries the script itself)
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.loss_speed import NAMES, setting_of
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.trainables import Trial
from evenkeel.trainables.finetune.seed_images import DecodedImages
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.finetune.train import FinetuneRun
from evenkeel.trainables.fused import fuse, means
from evenkeel.trainables.losses import LOSSES

RAL_POINTS = [
    "losses=[{loss: ral, fixed: {focusing: full}}]",
    "designs={sweep: null, search: null, sobol: {m: 10}}",
    "seeds=1",
]
SHORT = ["trainable.epochs=1", "trainable.backbone.warm_start.epochs=1"]
BATCH, LR = 64, 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="sizes that show only that the script runs")
    parser.add_argument("--model", default="resnet18", help="of the fine-tuning")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu: torch sees no GPU here; --device cpu --quick tries the script")
    with tempfile.TemporaryDirectory() as folder:
        for part in (probe_packs, losses, finetuning, features):
            for line in part(options, Path(folder)):
                print(line, flush=True)


def probe_packs(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Trials a second by size of the pack."""
    config = load_study("demo", RAL_POINTS + (SHORT if options.quick else []))
    worker, trials = config.trainable.worker(), make_planner(config).planned()
    prepared = worker.prepare(config.data, folder, options.device)

    def rate(num: int, size: int) -> float:
        started = time.perf_counter()
        for start in range(0, num, size):
            list(worker.run(trials[start : start + size], prepared, folder))
        return num / (time.perf_counter() - started)

    rate(1, 1)
    alone = rate(2 if options.quick else 8, 1)
    yield f"probe, one head at a time: {alone:.2f} trials a second"
    for size in (8,) if options.quick else (64, 256, 1024):
        yield f"ratio probe/pack-of-{size}-vs-one-at-a-time {rate(size, size) / alone:.1f}"


def losses(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Time of each loss in that of eager BCE."""
    shape, repeats = ((64, 26), 3) if options.quick else ((4096, 1000), 50)
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(shape, generator=generator) * 2 - 1).to(options.device).requires_grad_()
    targets = (torch.rand(shape, generator=generator) < 0.04).float().to(options.device)
    bce = _seconds(
        lambda: torch.autograd.grad(functional.binary_cross_entropy_with_logits(x, targets), x)[0], repeats, options
    )
    for name in NAMES[:2] if options.quick else NAMES:
        loss = fuse(LOSSES[name](**setting_of(name, shape, generator)))
        taken = _seconds(lambda loss=loss: torch.autograd.grad(means(loss, x, targets), x)[0], repeats, options)
        yield f"ratio loss/{name}-vs-bce-eager {taken / bce:.2f}"


def finetuning(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Images a second of the product against a batch that is there already."""
    import timm

    config, steps, size = load_study("demo"), 2 if options.quick else 60, 32 if options.quick else 96
    settings = Finetune.model_validate(
        {"name": "finetune", "backbone": {"name": options.model}, "image_size": size, "batch": BATCH, "lr": LR}
    )
    prepared = DecodedImages.of(settings, config.data, folder, options.device)
    trial = Trial(loss="bce", hyperparameters={}, seed=0, data={}, trainable={}, design="sweep", label="bce")
    run = FinetuneRun.of(trial, settings, prepared, folder)
    run.num_epoch_steps = 10**9  # no validation inside
    model = timm.create_model(options.model, num_classes=prepared.images.targets.shape[1]).to(options.device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=LR)
    x = torch.rand(BATCH, 3, size, size, device=options.device)
    y = (torch.rand(BATCH, prepared.images.targets.shape[1], device=options.device) < 0.1).float()

    def plain() -> None:
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(model(x), y).backward()
        optimiser.step()

    ours, resident = (_seconds(step, steps, options, mean=True) for step in (run.advance, plain))
    rates = f"{BATCH / ours:.0f} images a second; resident data {BATCH / resident:.0f}"
    yield f"finetune, {options.model} at {size}: {rates}"
    yield f"ratio finetune/rate-vs-resident-data {resident / ours:.2f}"


def features(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """How far numbers of two devices lie apart."""
    config = load_study("demo", RAL_POINTS + (SHORT if options.quick else []))
    worker, trials = config.trainable.worker(), make_planner(config).planned()[:1]
    arrays, scores = {}, {}
    for device in dict.fromkeys((options.device, "cpu")):
        (place := folder / device).mkdir()
        prepared = worker.prepare(config.data, place, device)
        arrays[device] = torch.tensor(prepared.of_seed(0).features, dtype=torch.float64)
        ((_, result),) = worker.run(trials, prepared, place)
        scores[device] = result.metrics["test_f1"]
    first, last = (list(values.values()) for values in (arrays, scores))
    yield f"features/largest-difference {float((first[0] - first[-1]).abs().max()):.2g}"
    yield f"features/difference-of-F1 {abs(last[0] - last[-1]):.4f}"


def _seconds(step: Callable[[], Tensor | None], repeats: int, options: argparse.Namespace, mean: bool = False) -> float:
    """Seconds of a step, after two that warm up: the least of single ones, or the mean of all in a row."""
    for _ in range(2):
        step()
    if mean:
        return _timed(lambda: [step() for _ in range(repeats)], options.device) / repeats
    return min(_timed(step, options.device) for _ in range(repeats))


def _timed(action: Callable[[], object], device: str) -> float:
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    action()
    wait()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
