"""Train K heads at once on frozen features.

The K trials of a pack share data, settings and seed, so they see the same batches and start from the same initial
weights; they differ in their loss. Nothing mixes columns of different trials, so a trial's numbers do not depend on its
pack mates.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.sampling import draw_rows, row_weights
from evenkeel.trainables.fused import means, path_of
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS, Evidence
from evenkeel.trainables.measures.outcome import EVALUATED, Curves, frequencies, results
from evenkeel.trainables.measures.scores import f1_at
from evenkeel.trainables.packing import signature, stack_losses
from evenkeel.trainables.probe.adamw import AdamW
from evenkeel.trainables.probe.features import FeatureStore, standardised
from evenkeel.trainables.probe.heads import Head, make_head, prior_logits
from evenkeel.trainables.probe.settings import Probe
from evenkeel.trainables.random_streams import stream_seed
from evenkeel.trainables.result import Result
from evenkeel.trainables.trial import Trial, shared_settings


@dataclass(frozen=True)
class ProbeWorker:
    """Trains packs of heads; see `evenkeel.trainables.base.Worker`."""

    settings: Probe
    measures: tuple[str, ...] = ALWAYS

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
        ordered = sorted(trials, key=signature)
        settings = self.settings.with_changes(shared_settings(trials))
        yield from zip(ordered, _run_sorted(ordered, prepared, settings, self.measures), strict=True)


def _run_sorted(trials: list[Trial], store: FeatureStore, settings: Probe, measures: tuple[str, ...]) -> list[Result]:
    started, seeds = time.perf_counter(), settings.seeds(trials[0].seed)
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
        seed=seeds.init,
        like=x,
    )
    curves = _train(head, losses, split, settings, seeds.order)
    with torch.inference_mode():
        logits = {name: head.logits(split.features[name]).double() for name in EVALUATED}
        scores = {name: torch.sigmoid(_log_odds(losses, values)) for name, values in logits.items()}
        known = {name: at for name, at in split.known.items() if name in EVALUATED}
        return results(
            Evidence(
                scores,
                {name: split.targets[name] for name in EVALUATED},
                split.groups,
                known,
                logits,
                image_groups=split.image_groups,
            ),
            frequencies(y, split.known.get("train")),
            curves,
            measures,
            epochs=settings.epochs,
            wall_s=time.perf_counter() - started,
            paths=[path_of(loss) for loss, size in losses for _ in range(size)],
        )


@dataclass(frozen=True)
class _Split:
    """By split: standardised features [N, D] and targets [N, C], on the device; class numbers by group.

    `known` [N, C] bool by split is empty when every label is known; `image_groups` [N] of the test images.
    """

    features: dict[str, Tensor]
    targets: dict[str, Tensor]
    groups: dict[str, list[int]]
    known: dict[str, Tensor]
    image_groups: np.ndarray | None


@lru_cache(maxsize=2)
def _split(store: FeatureStore, seed: int, precision: str) -> _Split:
    features, rows, values = standardised(store, seed)
    facts, dtype = store.facts(features), getattr(torch, precision)
    return _Split(
        {name: _tensor(array, dtype, store.device) for name, array in values.items()},
        {name: _tensor(features.targets[at], dtype, store.device) for name, at in rows.items()},
        facts.groups(),
        {}
        if features.known is None
        else {n: _tensor(features.known[at], torch.bool, store.device) for n, at in rows.items()},
        facts.image_groups(),
    )


def _tensor(array: np.ndarray, dtype: torch.dtype, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)


def _train(head: Head, losses: list[tuple[Loss, int]], split: _Split, settings: Probe, seed: int) -> Curves:
    x, y, told = split.features["train"], split.targets["train"], split.known.get("train")
    optimiser = AdamW(head.parameters(), weight_decay=settings.weight_decay)
    sizes = [size for _, size in losses]
    weights = row_weights(y.cpu(), **settings.sampling.model_dump()) if settings.sampling else None
    curves = Curves(sum(sizes))
    steps_per_epoch = math.ceil(len(x) / settings.batch)
    for epoch in range(settings.epochs):
        order = torch.Generator().manual_seed(stream_seed(seed, "order", epoch))
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
            means_K = torch.cat([means(loss, part, targets, known) for loss, part in parts])
            means_K.sum().backward()
            optimiser.step(rate)
            total += means_K.detach()
        curves.add(train_loss=total / steps_per_epoch, val_f1=_val_f1(head, losses, split))
    return curves


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


def _log_odds(losses: list[tuple[Loss, int]], logits: Tensor) -> Tensor:
    """Logits whose sigmoid is the probability each trial's loss trains; a softmax loss says how."""
    parts = zip(losses, logits.split([size for _, size in losses]), strict=True)
    return torch.cat([loss.log_odds(part) for (loss, _), part in parts])
