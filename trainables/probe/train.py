"""Train K heads at once on frozen features.

The K trials of a pack share data, settings and seed, so they see the same batches and start from the same initial
weights; they differ in their loss. Nothing mixes columns of different trials, so a trial's numbers do not depend on its
pack mates.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.fused import means, path_of
from evenkeel.trainables.loop.schedule import cosine_share
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS, Evidence
from evenkeel.trainables.measures.outcome import TrainingCurves, results
from evenkeel.trainables.measures.scores import f1_at
from evenkeel.trainables.packing import stack_losses, train_isolated
from evenkeel.trainables.probe.adamw import AdamW
from evenkeel.trainables.probe.features import FeatureStore, standardised
from evenkeel.trainables.probe.heads import Head, make_head
from evenkeel.trainables.probe.settings import Probe
from evenkeel.trainables.result import Result
from evenkeel.trainables.seed_data import SeedData, to_device
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
        """All trials of the pack end together, but for losses of a user's own, which train by themselves.

        Raises ValueError for trials that may not share a pack.
        """
        settings = self.settings.with_changes(shared_settings(trials))
        train = partial(_train_pack, store=prepared, settings=settings, measures=self.measures)
        yield from train_isolated(trials, settings.seeds(trials[0].seed).order, train)


def _train_pack(trials: list[Trial], store: FeatureStore, settings: Probe, measures: tuple[str, ...]) -> list[Result]:
    """Results of trials in the order of their signatures, which share data, settings and seed."""
    started, seeds = time.perf_counter(), settings.seeds(trials[0].seed)
    data, features = _seed_features(store, trials[0].seed, settings.precision)
    losses = stack_losses(trials, data.loss_facts, features["train"].dtype, store.device)
    prior = data.prior_logits
    head = make_head(
        dimension=features["train"].shape[1],
        bias=prior if settings.bias == "prior" else torch.zeros_like(prior),
        num_trials=len(trials),
        hidden=settings.hidden,
        seed=seeds.init,
        reference=features["train"],
    )
    curves = _train(head, losses, data, features, settings, seeds.order)
    return results(
        _evidence(head, losses, data, features),
        data.frequencies,
        curves,
        measures,
        epochs=settings.epochs,
        wall_s=time.perf_counter() - started,
        paths=[path_of(loss) for loss, size in losses for _ in range(size)],
    )


@lru_cache(maxsize=2)
def _seed_features(store: FeatureStore, seed: int, precision: str) -> tuple[SeedData, dict[str, Tensor]]:
    """(labels of a seed, standardised features [N, D] by split), on the device.

    The last two seeds are kept: packs come seed by seed.
    """
    features, dtype = store.of_seed(seed), getattr(torch, precision)
    data = SeedData.of(store.splits(features), seed, dtype=dtype, device=store.device)
    values = standardised(features.features, data.rows)
    return data, {split: to_device(array, dtype, store.device) for split, array in values.items()}


def _train(
    head: Head,
    losses: list[tuple[Loss, int]],
    data: SeedData,
    features: dict[str, Tensor],
    settings: Probe,
    seed: int,
) -> TrainingCurves:
    x, y, mask = features["train"], data.targets["train"], data.label_mask.get("train")
    optimiser = AdamW(head.parameters(), weight_decay=settings.weight_decay)
    sizes = [size for _, size in losses]
    weights = data.sampling_weights(settings.sampling)
    curves = TrainingCurves(sum(sizes))
    steps_per_epoch = math.ceil(len(x) / settings.batch)
    for epoch in range(settings.epochs):
        current = [loss.at(epoch / settings.epochs) for loss, _ in losses]
        total = torch.zeros(sum(sizes), dtype=torch.float64, device=x.device)
        shuffled = data.epoch_rows(seed, epoch, weights).to(x.device)
        for step, rows in enumerate(shuffled.split(settings.batch)):
            parts = zip(current, head.logits(x[rows]).split(sizes), strict=True)
            labelled = None if mask is None else mask[rows]
            means_K = torch.cat([means(loss, part, y[rows], labelled) for loss, part in parts])
            means_K.sum().backward()
            progress = (epoch * steps_per_epoch + step) / (settings.epochs * steps_per_epoch)
            optimiser.step(settings.lr * (cosine_share(progress) if settings.schedule == "cosine" else 1))
            total += means_K.detach()
        curves.add(train_loss=total / steps_per_epoch, val_f1=_val_f1(head, losses, data, features["val"]))
    return curves


@torch.inference_mode()
def _val_f1(head: Head, losses: list[tuple[Loss, int]], data: SeedData, features: Tensor) -> Tensor:
    """Macro F1 at 0.5 on validation, [K]; NaN without validation rows."""
    if "val" not in data.evaluated:
        return torch.full((sum(size for _, size in losses),), torch.nan)
    log_odds = data.masked(_log_odds(losses, head.logits(features)), "val", -torch.inf)
    return f1_at(log_odds, data.targets["val"], 0.0).nanmean(-1)


@torch.inference_mode()
def _evidence(head: Head, losses: list[tuple[Loss, int]], data: SeedData, features: dict[str, Tensor]) -> Evidence:
    """What the heads predict on val and test."""
    logits = {split: head.logits(features[split]).double() for split in data.evaluated}
    scores = {split: torch.sigmoid(_log_odds(losses, values)) for split, values in logits.items()}
    return replace(data.evidence(), scores=scores, logits=logits)


def _log_odds(losses: list[tuple[Loss, int]], logits: Tensor) -> Tensor:
    """Logits [K, N, C] whose sigmoid is the probability each trial's loss trains; a softmax loss says how."""
    parts = zip(losses, logits.split([size for _, size in losses]), strict=True)
    return torch.cat([loss.log_odds(part) for (loss, _), part in parts])
