"""Train K heads at once on frozen features.

The K trials of a pack share data, settings and seed, so they see the same batches and start from the same initial
weights; they differ in their loss. Nothing mixes columns of different trials, so a trial's numbers do not depend on its
pack mates.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.base import Result
from trainables.data.image_set import DataSet
from trainables.data.sampling import draw_rows, row_weights
from trainables.fused import means, path_of
from trainables.losses import Loss
from trainables.losses.packing import signature, stack_losses
from trainables.measures import Evidence
from trainables.measures.evaluate import evaluate, number, of_trial
from trainables.measures.scores import f1_at
from trainables.probe.adamw import AdamW
from trainables.probe.features import FeatureStore, standardised
from trainables.probe.heads import Head, make_head, prior_logits
from trainables.probe.settings import Probe
from trainables.trial import Trial

EVALUATED = ("val", "test")


@dataclass(frozen=True)
class ProbeWorker:
    """Trains packs of heads; see `trainables.base.Worker`."""

    settings: Probe

    def prepare(self, data: DataSet, cache: Path, device: str = "cpu") -> FeatureStore:
        """The features of the first seed, made on first use."""
        store = FeatureStore(self.settings, data, cache, device)
        store.of_seed(0)
        return store

    def bytes_per_trial(self, prepared: FeatureStore) -> int:
        """Weights with their gradients and moments, a batch of logits, and the scores of both splits."""
        features = prepared.of_seed(0)
        size = 8 if self.settings.precision == "float64" else 4
        num_rows, num_classes = features.targets.shape
        width = self.settings.hidden or num_classes
        weights = 4 * features.features.shape[1] * width + 4 * width * num_classes
        batch = 24 * self.settings.batch * max(width, num_classes)
        return size * (weights + batch) + 2 * 8 * num_rows * num_classes

    def run(self, trials: list[Trial], prepared: FeatureStore, place: Path) -> Iterator[tuple[Trial, Result]]:
        """All trials of the pack end together. Raises ValueError for trials that may not share a pack."""
        first = trials[0]
        if any(_shared(trial) != _shared(first) for trial in trials):
            raise ValueError("the trials of a pack must share data, trainable settings and seed")
        ordered = sorted(trials, key=signature)
        settings = Probe.model_validate(self.settings.model_dump() | first.settings)
        yield from zip(ordered, _run_sorted(ordered, prepared, settings), strict=True)


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
        return {name: [number(epoch[k]) for epoch in getattr(self, name)] for name in ("train_loss", "val_f1")}


def _shared(trial: Trial) -> tuple[object, ...]:
    return trial.data, trial.trainable, trial.settings, trial.seed


def _run_sorted(trials: list[Trial], store: FeatureStore, settings: Probe) -> list[Result]:
    started = time.perf_counter()
    split = _split(store, trials[0].seed, settings.precision)
    x, y = split.features["train"], split.targets["train"]
    counts = y.sum(0).int().tolist()
    losses = stack_losses(trials, {"counts": tuple(counts), "total": len(x)}, x.dtype, store.device)
    told = split.known.get("train")
    prior = prior_logits(counts, len(x) if told is None else told.sum(0).cpu())
    head = make_head(
        dimension=x.shape[1],
        bias=prior if settings.bias == "prior" else torch.zeros_like(prior),
        num_trials=len(trials),
        hidden=settings.hidden,
        seed=trials[0].seed,
        like=x,
    )
    curves = _train(head, losses, split, settings, trials[0].seed)
    diverged = curves.diverged_epoch()
    with torch.inference_mode():
        evaluated = {name: split.targets[name] for name in EVALUATED}
        scores = {name: _scores(head, losses, split.features[name]) for name in EVALUATED}
        known = {name: at for name, at in split.known.items() if name in EVALUATED}
        measured = evaluate(Evidence(scores, evaluated, split.groups, known))
        floor = evaluate(Evidence(_prior_scores(split), evaluated, split.groups, known)) if any(diverged) else measured
    wall_s = (time.perf_counter() - started) / len(trials)
    paths = [path_of(loss) for loss, size in losses for _ in range(size)]
    results = []
    for k, epoch in enumerate(diverged):
        metrics, per_class = of_trial(measured, k) if epoch is None else of_trial(floor, 0)
        results.append(
            Result(
                state="done" if epoch is None else "diverged",
                metrics=metrics,
                per_class=per_class,
                curves=curves.of_trial(k),
                epochs_done=settings.epochs if epoch is None else epoch - 1,
                wall_s=wall_s,
                loss_path=paths[k],
                note=None if epoch is None else f"the loss was not finite in epoch {epoch}; scored at the floor",
            )
        )
    return results


@dataclass(frozen=True)
class _Split:
    """By split: standardised features [N, D] and targets [N, C], on the device; class numbers by group.

    `known` [N, C] bool by split is empty when every label is known.
    """

    features: dict[str, Tensor]
    targets: dict[str, Tensor]
    groups: dict[str, list[int]]
    known: dict[str, Tensor]


@lru_cache(maxsize=2)
def _split(store: FeatureStore, seed: int, precision: str) -> _Split:
    features, rows, values = standardised(store, seed)
    dtype = getattr(torch, precision)
    return _Split(
        {name: _tensor(array, dtype, store.device) for name, array in values.items()},
        {name: _tensor(features.targets[at], dtype, store.device) for name, at in rows.items()},
        store.facts(features).groups(),
        {}
        if features.known is None
        else {n: _tensor(features.known[at], torch.bool, store.device) for n, at in rows.items()},
    )


def _tensor(array: np.ndarray, dtype: torch.dtype, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)


def _train(head: Head, losses: list[tuple[Loss, int]], split: _Split, settings: Probe, seed: int) -> _Curves:
    x, y, told = split.features["train"], split.targets["train"], split.known.get("train")
    optimiser = AdamW(head.parameters(), weight_decay=settings.weight_decay)
    sizes = [size for _, size in losses]
    order = torch.Generator().manual_seed(seed + 1_000_003)
    weights = row_weights(y.cpu(), **settings.sampling.model_dump()) if settings.sampling else None
    curves = _Curves(sum(sizes))
    steps_per_epoch = math.ceil(len(x) / settings.batch)
    for epoch in range(settings.epochs):
        current = [loss.at(epoch / settings.epochs) for loss, _ in losses]
        total = torch.zeros(sum(sizes), dtype=torch.float64, device=x.device)
        shuffled = (torch.randperm(len(x), generator=order) if weights is None else draw_rows(weights, order)).to(
            x.device
        )
        for step, rows in enumerate(shuffled.split(settings.batch)):
            rate = _rate(settings, (epoch * steps_per_epoch + step) / (settings.epochs * steps_per_epoch))
            targets = y[rows]
            logits = head.logits(x[rows])
            parts = zip(current, logits.split(sizes), strict=True)
            known = None if told is None else told[rows]
            means_K = torch.cat([_means(loss, part, targets, known) for loss, part in parts])
            means_K.sum().backward()
            optimiser.step(rate)
            total += means_K.detach()
        curves.train_loss.append((total / steps_per_epoch).cpu())
        curves.val_f1.append(_val_f1(head, losses, split).cpu())
    return curves


def _means(loss: Loss, logits: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
    """Mean over the entries of a batch whose label is known, [K]."""
    if known is None:
        return means(loss, logits, targets)
    return torch.where(known, loss(logits, targets), 0.0).sum((-2, -1)) / known.sum().clamp_min(1)


def _rate(settings: Probe, progress: float) -> float:
    """The learning rate at `progress` in [0, 1) of the budget."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * 0.5 * (1 + math.cos(math.pi * progress))


@torch.inference_mode()
def _val_f1(head: Head, losses: list[tuple[Loss, int]], split: _Split) -> Tensor:
    log_odds = _log_odds(losses, head.logits(split.features["val"]))
    if "val" in split.known:
        log_odds = log_odds.masked_fill(~split.known["val"], -torch.inf)
    return f1_at(log_odds, split.targets["val"], 0.0).nanmean(-1)


def _scores(head: Head, losses: list[tuple[Loss, int]], features: Tensor) -> Tensor:
    """Probabilities [K, N, C] in float64, so that scores near 1 keep their order."""
    return torch.sigmoid(_log_odds(losses, head.logits(features).double()))


def _log_odds(losses: list[tuple[Loss, int]], logits: Tensor) -> Tensor:
    """Logits whose sigmoid is the probability each trial's loss trains; a softmax loss says how."""
    parts = zip(losses, logits.split([size for _, size in losses]), strict=True)
    return torch.cat([loss.log_odds(part) for (loss, _), part in parts])


def _prior_scores(split: _Split) -> dict[str, Tensor]:
    """The constant predictor: every row gets the training frequencies. A diverged trial enters at its score."""
    y, told = split.targets["train"].double(), split.known.get("train")
    prior = y.mean(0) if told is None else y.sum(0) / told.sum(0).clamp_min(1)
    return {name: prior.expand(1, len(split.targets[name]), -1) for name in EVALUATED}
