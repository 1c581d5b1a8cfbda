"""The `probe` trainable: heads on frozen features, K trials in one pass.

All trials of a pack share data, settings and seed, hence features, batches and initial weights; they differ in their
loss. Nothing mixes columns of different trials, so a trial's numbers do not depend on its pack mates.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.sampling import draw_rows, row_weights
from trainables.data.splits import class_groups
from trainables.fused import means, path_of
from trainables.losses import Loss
from trainables.losses.packing import signature, stack_losses
from trainables.measures.scores import (
    METRICS,
    PerClass,
    best_thresholds,
    f1_at,
    in_chunks,
    per_class,
    summary,
)
from trainables.probe.adamw import AdamW
from trainables.probe.features import Features
from trainables.probe.heads import Head, make_head, prior_logits
from trainables.trial import Trial

EVALUATED = ("val", "test")


@dataclass(frozen=True)
class Result:
    """What one trial gave: state, metrics by column name, per-class values, curves by epoch, path of its loss."""

    state: str
    metrics: dict[str, float | None]
    per_class: dict[str, list[float | None]]
    curves: dict[str, list[float | None]]
    epochs_done: int
    wall_s: float
    loss_path: str
    note: str | None = None


@dataclass
class _Curves:
    """Training loss and validation F1 (at 0.5) of each trial, epoch by epoch, and who left the finite numbers."""

    num_trials: int
    train_loss: list[Tensor] = field(default_factory=list)
    val_f1: list[Tensor] = field(default_factory=list)

    def diverged_epoch(self) -> list[int | None]:
        """Per trial the first epoch (from 1) with a non-finite loss, or None."""
        finite = torch.stack(self.train_loss).isfinite() if self.train_loss else torch.ones(0, self.num_trials)
        return [int((~column.bool()).nonzero()[0]) + 1 if not column.all() else None for column in finite.T]

    def of_trial(self, k: int) -> dict[str, list[float | None]]:
        """The curves of trial `k`, by column name."""
        return {name: [_number(epoch[k]) for epoch in getattr(self, name)] for name in ("train_loss", "val_f1")}


@dataclass(frozen=True)
class _Scores:
    """What K sets of probabilities are worth on each split: per class, and summed up by groups of classes."""

    values: dict[str, PerClass]
    totals: dict[str, dict[str, Tensor]]

    @classmethod
    def of(cls, scores: dict[str, Tensor], split: "_Split", groups: dict[str, list[int]]) -> "_Scores":
        """Thresholds are chosen on validation, for both splits."""
        parts: dict[str, list[PerClass]] = {name: [] for name in EVALUATED}
        for val, test in in_chunks(scores["val"], scores["test"]):
            val, test = val.nan_to_num(0.0), test.nan_to_num(0.0)
            thresholds = best_thresholds(val, split.targets["val"])
            parts["val"].append(per_class(val, split.targets["val"], thresholds))
            parts["test"].append(per_class(test, split.targets["test"], thresholds))
        values = {name: PerClass(*map(torch.cat, zip(*chunks, strict=True))) for name, chunks in parts.items()}
        return cls(values, {name: summary(value, groups) for name, value in values.items()})

    def of_trial(self, k: int) -> dict[str, Any]:
        """`metrics` and `per_class` of a trial's result."""
        return {
            "metrics": {
                f"{name}_{key}": _number(column[k])
                for name, table in self.totals.items()
                for key, column in table.items()
            },
            "per_class": {
                f"{name}_{metric}": [_number(v) for v in getattr(value, metric)[k]]
                for name, value in self.values.items()
                for metric in METRICS
            },
        }


def run_pack(trials: list[Trial], features: Features, device: str = "cpu") -> list[Result]:
    """Train and evaluate trials that share data, trainable settings and seed; results in the order given."""
    first = trials[0]
    if any((t.data, t.trainable, t.seed) != (first.data, first.trainable, first.seed) for t in trials):
        raise ValueError("the trials of a pack must share data, trainable settings and seed")
    order = sorted(range(len(trials)), key=lambda i: signature(trials[i]))
    results = _run_sorted([trials[i] for i in order], features, device)
    placed: list[Any] = [None] * len(trials)
    for i, result in zip(order, results, strict=True):
        placed[i] = result
    return placed


def bytes_per_trial(features: Features, settings: dict[str, Any]) -> int:
    """A rough upper bound of the memory one more trial adds to a pack."""
    size = 8 if settings["precision"] == "float64" else 4
    num_classes, rows = len(features.facts["classes"]), features.facts["rows"]
    width = settings["hidden"] or num_classes
    weights = 4 * features.facts["dimension"] * width + 4 * width * num_classes
    batch = 24 * settings["batch"] * max(width, num_classes)
    return size * (weights + batch) + 2 * 8 * (rows["val"] + rows["test"]) * num_classes


def gpu_summary() -> str | None:
    """Name and memory of the first GPU, or None without one."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return f"{torch.cuda.device_count()} x {properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def free_device_bytes() -> int:
    """Free memory of the GPU this process sees."""
    return torch.cuda.mem_get_info()[0]


def _run_sorted(trials: list[Trial], features: Features, device: str) -> list[Result]:
    started = time.perf_counter()
    settings, seed = trials[0].trainable, trials[0].seed
    split = _split(features, _freeze(trials[0].data.get("validation")), seed, settings["precision"], device)
    counts = split.targets["train"].sum(0).int().tolist()
    x = split.features["train"]
    losses = stack_losses(trials, {"counts": tuple(counts), "total": len(x)}, split.dtype, device)
    prior = prior_logits(counts, len(x))
    head = make_head(
        dimension=x.shape[1],
        bias=prior if settings["bias"] == "prior" else torch.zeros_like(prior),
        num_trials=len(trials),
        hidden=settings["hidden"],
        seed=seed,
        like=x,
    )
    curves = _train(head, losses, split, settings, seed)
    groups = class_groups(features.facts["train_counts"], settings["head_min"], settings["tail_below"])
    diverged = curves.diverged_epoch()
    with torch.inference_mode():
        scores = _Scores.of({name: _scores(head, losses, split.features[name]) for name in EVALUATED}, split, groups)
        floor = _Scores.of(_prior_scores(split), split, groups) if any(diverged) else scores
    wall_s = (time.perf_counter() - started) / len(trials)
    paths = [path_of(loss) for loss, size in losses for _ in range(size)]
    return [
        Result(
            state="done" if epoch is None else "diverged",
            **(scores.of_trial(k) if epoch is None else floor.of_trial(0)),
            curves=curves.of_trial(k),
            epochs_done=settings["epochs"] if epoch is None else epoch - 1,
            wall_s=wall_s,
            loss_path=paths[k],
            note=None if epoch is None else f"the loss was not finite in epoch {epoch}; scored at the floor",
        )
        for k, epoch in enumerate(diverged)
    ]


@dataclass(frozen=True)
class _Split:
    features: dict[str, Tensor]
    targets: dict[str, Tensor]
    dtype: torch.dtype


def _freeze(validation: dict[str, Any] | None) -> tuple | None:
    return tuple(sorted(validation.items())) if validation else None


@lru_cache(maxsize=2)
def _split(features: Features, validation: tuple | None, seed: int, precision: str, device: str) -> _Split:
    """The rows of each split on the device: the last two seeds are kept, since packs come seed by seed."""
    dtype = getattr(torch, precision)
    rows = features.rows(dict(validation) if validation else None, seed)
    return _Split(
        {name: _tensor(features.features[at], dtype, device) for name, at in rows.items()},
        {name: _tensor(features.targets[at], dtype, device) for name, at in rows.items()},
        dtype,
    )


def _tensor(array: np.ndarray, dtype: torch.dtype, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)


def _train(head: Head, losses: list[tuple[Loss, int]], split: _Split, settings: dict[str, Any], seed: int) -> _Curves:
    x, y = split.features["train"], split.targets["train"]
    optimiser = AdamW(head.parameters(), weight_decay=settings["weight_decay"])
    sizes = [size for _, size in losses]
    order = torch.Generator().manual_seed(seed + 1_000_003)
    weights = row_weights(y.cpu(), **settings["sampling"]) if settings.get("sampling") else None
    curves = _Curves(sum(sizes))
    steps_per_epoch = math.ceil(len(x) / settings["batch"])
    for epoch in range(settings["epochs"]):
        current = [_at(loss, epoch / settings["epochs"]) for loss, _ in losses]
        total = torch.zeros(sum(sizes), dtype=torch.float64, device=x.device)
        shuffled = (torch.randperm(len(x), generator=order) if weights is None else draw_rows(weights, order)).to(
            x.device
        )
        for step, rows in enumerate(shuffled.split(settings["batch"])):
            rate = _rate(settings, (epoch * steps_per_epoch + step) / (settings["epochs"] * steps_per_epoch))
            targets = y[rows]
            logits = head.logits(x[rows])
            parts = zip(current, logits.split(sizes), strict=True)
            means_K = torch.cat([means(loss, part, targets) for loss, part in parts])
            means_K.sum().backward()
            optimiser.step(rate)
            total += means_K.detach()
        curves.train_loss.append((total / steps_per_epoch).cpu())
        curves.val_f1.append(_val_f1(head, losses, split).cpu())
    return curves


def _rate(settings: dict[str, Any], progress: float) -> float:
    """The learning rate at `progress` in [0, 1) of the budget."""
    if settings["schedule"] == "constant":
        return settings["lr"]
    return settings["lr"] * 0.5 * (1 + math.cos(math.pi * progress))


def _at(loss: Loss, progress: float) -> Loss:
    """The loss at `progress` in [0, 1) of the training; most do not change."""
    return loss.at(progress) if hasattr(loss, "at") else loss


@torch.inference_mode()
def _val_f1(head: Head, losses: list[tuple[Loss, int]], split: _Split) -> Tensor:
    log_odds = _log_odds(losses, head.logits(split.features["val"]))
    return f1_at(log_odds, split.targets["val"], 0.0).nanmean(-1)


def _scores(head: Head, losses: list[tuple[Loss, int]], features: Tensor) -> Tensor:
    """Probabilities [K, N, C] in float64, so that scores near 1 keep their order."""
    return torch.sigmoid(_log_odds(losses, head.logits(features).double()))


def _log_odds(losses: list[tuple[Loss, int]], logits: Tensor) -> Tensor:
    """Logits whose sigmoid is the probability each trial's loss trains; a softmax loss says how."""
    if not any(hasattr(loss, "log_odds") for loss, _ in losses):
        return logits
    parts = zip(losses, logits.split([size for _, size in losses]), strict=True)
    return torch.cat([loss.log_odds(part) if hasattr(loss, "log_odds") else part for (loss, _), part in parts])


def _prior_scores(split: _Split) -> dict[str, Tensor]:
    """The constant predictor: every row gets the training frequencies. A diverged trial enters at its score."""
    prior = split.targets["train"].double().mean(0)
    return {name: prior.expand(1, len(split.targets[name]), -1) for name in EVALUATED}


def _number(value: Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute as a worker with one CPU does, for measurements."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
