"""Train the contexts of K trials at once; both encoders are frozen and images were embedded once.

The K trials of a pack share data, settings and seed, so they see the same batches and start from the same context. One
pass through the text tower encodes the K x C prompts of a step; nothing mixes trials. Letters as in `context`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.fused import means, path_of
from evenkeel.trainables.loop.schedule import cosine_share
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS
from evenkeel.trainables.measures.outcome import TrainingCurves, results
from evenkeel.trainables.measures.scores import UNKNOWN, average_precision
from evenkeel.trainables.models.clip_store import ClipStore
from evenkeel.trainables.packing import stack_losses, train_isolated
from evenkeel.trainables.prompt.context import Prompts, starting_context
from evenkeel.trainables.prompt.settings import Prompt
from evenkeel.trainables.result import Result
from evenkeel.trainables.seed_data import SeedData, to_device
from evenkeel.trainables.trial import Trial, shared_settings

LEAST_LR = 1e-7


@dataclass(frozen=True)
class PromptWorker:
    """Trains packs of contexts; see `evenkeel.trainables.base.Worker`."""

    settings: Prompt
    measures: tuple[str, ...] = ALWAYS

    def prepare(self, data: DataSet, cache: Path, device: str = "cpu") -> ClipStore:
        """Model and image embeddings of the first seed, made on first use."""
        store = self.settings.store(data, cache, device)
        store.embeddings(0)
        return store

    def bytes_per_trial(self, prepared: ClipStore) -> int:
        """What the text tower keeps of a trial's prompts for the backward pass, and the scores of both splits."""
        settings, text = self.settings, self.settings.model.text
        width, layers = (text.width, text.layers) if settings.model.image else (768, 12)
        num_rows, num_classes = prepared.images.targets.shape
        tokens = num_classes * (settings.context + 8)
        return 4 * tokens * layers * 34 * width + 2 * 8 * num_rows * num_classes

    def run(self, trials: list[Trial], prepared: ClipStore, place: Path) -> Iterator[tuple[Trial, Result]]:
        """All trials of the pack end together, but for losses of a user's own, which train by themselves.

        Raises ValueError for trials that may not share a pack.
        """
        settings = self.settings.with_changes(shared_settings(trials))
        train = partial(_train_pack, store=prepared, settings=settings, measures=self.measures)
        yield from train_isolated(trials, settings.seeds(trials[0].seed).order, train)


@dataclass(frozen=True)
class _SeedEmbeddings:
    """The labels of a seed; unit-norm image embeddings [N, D] by split; the factor k of the cosines; the prompts."""

    data: SeedData
    images: dict[str, Tensor]
    k: Tensor
    prompts: Prompts

    @classmethod
    def of(cls, store: ClipStore, seed: int, settings: Prompt) -> "_SeedEmbeddings":
        """On the device of the store."""
        dtype = getattr(torch, settings.precision)
        model, embeddings = store.model(seed), store.embeddings(seed)
        model.module.to(dtype).eval().requires_grad_(False)
        data = SeedData.of(store.splits, seed, dtype=dtype, device=store.device)
        images = {split: to_device(embeddings[rows], dtype, store.device) for split, rows in data.rows.items()}
        prompts = Prompts.of(model.text, store.images.classes, settings.ending, reference=images["train"])
        return cls(data, images, model.logit_scale.exp().detach(), prompts)

    def logits(self, split: str, rows: Tensor | slice, texts_KCD: Tensor) -> Tensor:
        """[K, B, C]: k times the cosines of some images of a split."""
        return self.k * self.images[split][rows] @ texts_KCD.transpose(1, 2)


def _train_pack(trials: list[Trial], store: ClipStore, settings: Prompt, measures: tuple[str, ...]) -> list[Result]:
    started, seeds = time.perf_counter(), settings.seeds(trials[0].seed)
    shared = _SeedEmbeddings.of(store, trials[0].seed, settings)
    x, data = shared.images["train"], shared.data
    losses = stack_losses(trials, data.loss_facts, x.dtype, store.device)
    start = starting_context(
        shared.prompts.text,
        num_tokens=settings.context,
        num_classes=len(data.classes) if settings.per_class else 1,
        words=settings.start,
        seed=seeds.init,
        reference=x,
    )
    contexts = [start.clone().requires_grad_() for _ in trials]
    curves = _train(contexts, losses, shared, settings, seeds.order)
    with torch.inference_mode():
        texts = shared.prompts.encode(torch.stack(contexts))
        scores = {name: _scores(losses, shared.logits(name, slice(None), texts), settings) for name in data.evaluated}
        return results(
            replace(data.evidence(), scores=scores),
            data.frequencies,
            curves,
            measures,
            epochs=settings.epochs,
            wall_s=time.perf_counter() - started,
            paths=[path_of(loss) for loss, size in losses for _ in range(size)],
        )


def _train(
    contexts: list[Tensor], losses: list[tuple[Loss, int]], shared: _SeedEmbeddings, settings: Prompt, seed: int
) -> TrainingCurves:
    """A context [C or 1, M, W] and an optimiser a trial: each lowers its own rate."""
    data, y, mask = shared.data, shared.data.targets["train"], shared.data.label_mask.get("train")
    optimisers = [_optimiser(context, settings) for context in contexts]
    schedules = [_schedule(optimiser, settings) for optimiser in optimisers]
    sizes = [size for _, size in losses]
    weights = data.sampling_weights(settings.sampling)
    curves = TrainingCurves(len(contexts))
    for epoch in range(settings.epochs):
        current = [loss.at(epoch / settings.epochs) for loss, _ in losses]
        total = torch.zeros(len(contexts), dtype=torch.float64, device=y.device)
        for rows in data.epoch_rows(seed, epoch, weights).to(y.device).split(settings.batch):
            logits = shared.logits("train", rows, shared.prompts.encode(torch.stack(contexts)))
            parts = zip(current, logits.split(sizes), strict=True)
            labelled = None if mask is None else mask[rows]
            means_K = torch.cat([means(loss, part, y[rows], labelled) for loss, part in parts])
            means_K.sum().backward()
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad()
            total += means_K.detach() * len(rows)
        val_map = _val_map(contexts, losses, shared, settings)
        curves.add(train_loss=total / len(y), val_map=val_map)
        for schedule, value in zip(schedules, val_map.tolist(), strict=True):
            schedule.step(value) if settings.schedule == "plateau" else schedule.step()
    return curves


def _optimiser(context: Tensor, settings: Prompt) -> torch.optim.Optimizer:
    if settings.optimiser == "adamw":
        return torch.optim.AdamW([context], lr=settings.lr, weight_decay=settings.weight_decay)
    return torch.optim.SGD([context], settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)


def _schedule(optimiser: torch.optim.Optimizer, settings: Prompt) -> torch.optim.lr_scheduler.LRScheduler:
    if settings.schedule == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, mode="max", patience=settings.patience, min_lr=LEAST_LR
        )
    falling = settings.schedule == "cosine"
    return torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda epoch: cosine_share(epoch / settings.epochs) if falling else 1.0
    )


@torch.inference_mode()
def _val_map(
    contexts: list[Tensor], losses: list[tuple[Loss, int]], shared: _SeedEmbeddings, settings: Prompt
) -> Tensor:
    if "val" not in shared.data.evaluated:
        return torch.full((len(contexts),), torch.nan)
    logits = shared.logits("val", slice(None), shared.prompts.encode(torch.stack(contexts)))
    scores = _scores(losses, logits, settings).nan_to_num(0.0)
    scores = shared.data.masked(scores, "val", UNKNOWN)
    return average_precision(scores, shared.data.targets["val"]).nanmean(-1)


def _scores(losses: list[tuple[Loss, int]], logits: Tensor, settings: Prompt) -> Tensor:
    """Probabilities [K, N, C] in float64: over the classes, or as each trial's loss trains them."""
    if settings.scores == "softmax":
        return logits.double().softmax(-1)
    parts = zip(losses, logits.double().split([size for _, size in losses]), strict=True)
    return torch.cat([torch.sigmoid(loss.log_odds(part)) for (loss, _), part in parts])
