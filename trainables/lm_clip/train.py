"""Train a whole CLIP model, one trial after the other: contrastive loss on captions plus a multi-label loss on prompts.

Order, mirroring and dropout of a step follow from seed, epoch and step alone, so a trial that was cut off goes on from
its checkpoint with the numbers of an undisturbed one.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.epochs import stop_reason
from evenkeel.trainables.fused import path_of
from evenkeel.trainables.lm_clip.model import prepared_model
from evenkeel.trainables.lm_clip.optimiser import learning_rate, make_optimiser
from evenkeel.trainables.lm_clip.predictions import ClipPredictions
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.step import ClipGradients, LmClipProgress
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.loop.checkpoint import Checkpoints
from evenkeel.trainables.loop.modes import set_training_mode
from evenkeel.trainables.loop.step import own_randomness
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS
from evenkeel.trainables.measures.outcome import TrainingCurves, results, stopped_result
from evenkeel.trainables.measures.resolution import check_sizes
from evenkeel.trainables.models.clip_store import ClipStore
from evenkeel.trainables.packing import stack_losses
from evenkeel.trainables.random_streams import stream_seed
from evenkeel.trainables.result import Result
from evenkeel.trainables.seed_data import SeedData
from evenkeel.trainables.trial import Trial


@dataclass(frozen=True)
class LmClipWorker:
    """Trains one trial after the other; see `evenkeel.trainables.base.Worker`."""

    settings: LmClip
    measures: tuple[str, ...] = ALWAYS

    def prepare(self, data: DataSet, cache: Path, device: str = "cpu") -> ClipStore:
        """Decoded images and the model of the first seed, made on first use."""
        store = self.settings.store(data, cache, device)
        model = store.model(0)
        if "resolution" in self.measures:
            check_sizes(model.module.visual, 3, self.settings.image_size)
        return store

    def bytes_per_trial(self, prepared: ClipStore) -> int:
        """Nothing: a pack needs the memory of one trial."""
        return 0

    def run(self, trials: list[Trial], prepared: ClipStore, place: Path) -> Iterator[tuple[Trial, Result]]:
        """Each trial's result as it ends; checkpoints in `place`/id."""
        for trial in trials:
            settings = self.settings.with_changes(trial.settings)
            with own_randomness(settings.deterministic):
                yield trial, LmClipRun(trial, prepared, settings, place / trial.id).result(self.measures)


class LmClipRun:
    """One trial from the model its seed starts from to its result."""

    def __init__(self, trial: Trial, store: ClipStore, settings: LmClip, place: Path) -> None:
        self.started, self.trial = time.perf_counter(), trial
        self.store, self.settings, self.seed = store, settings, settings.seeds(trial.seed).order
        self.reader = Reader(store.images.images, store.device)
        self.model = prepared_model(store.model(trial.seed), settings)
        self.dtype = torch.float64 if settings.precision == "float64" else torch.float32
        self.data = SeedData.of(store.splits, trial.seed, dtype=self.dtype, device=store.device)
        ((self.loss, _),) = stack_losses([trial], self.data.loss_facts, self.dtype, store.device)
        texts = settings.captions.texts(store.images, self.data.rows["train"])
        self.texts = Texts.of(self.model.text, texts, store.images.classes, self.model.device)
        self.weights = self._row_weights(trial)
        parameters = [p for p in self.model.module.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(parameters, settings)
        self.checkpoint = Checkpoints(place, settings.checkpoint_minutes)
        self.whole = settings.micro_batch or settings.batch
        self.progress = self._resumed() or LmClipProgress(self.whole)
        self.gradients = ClipGradients(self.model, self.texts, self.data, settings, self.seed, self.progress)
        self.predictions = ClipPredictions(self.model, self.texts, store.images.images, self.data, self.loss, settings)

    def result(self, measures: tuple[str, ...]) -> Result:
        """Train what is missing, then measure."""
        finite = True
        while finite and self.progress.epoch < self.settings.epochs:
            finite = self._epoch()
            if finite and (reason := self._stop_reason()):
                return stopped_result(self._curves(), reason, time.perf_counter() - self.started)
        if self.progress.kept:
            self.model.module.load_state_dict(self.progress.kept)
        (result,) = results(
            self.predictions.evidence(self.checkpoint.folder) if finite else self.data.evidence(),
            self.data.frequencies,
            self._curves(),
            measures,
            epochs=self.settings.epochs,
            wall_s=time.perf_counter() - self.started,
            paths=[path_of(self.loss)],
        )
        if result.state == "done" and self.progress.micro < self.whole:
            return replace(result, note=f"memory ran out: trained in micro-batches of {self.progress.micro}")
        return result

    def _curves(self) -> TrainingCurves:
        return TrainingCurves(1, self.progress.curves)

    def _stop_reason(self) -> str | None:
        values, epoch = self.progress.curves.get("val_map", []), self.progress.epoch
        if not values or epoch >= self.settings.epochs or self.progress.step:
            return None
        return stop_reason(self.trial, epoch, {"val_map": float(values[-1])})

    def _epoch(self) -> bool:
        """One epoch, or the rest of one; False when its loss left the finite numbers."""
        progress, settings = self.progress, self.settings
        loss = self.loss.at(progress.epoch / settings.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(settings, progress.epoch)
        frozen = settings.batch_norm == "frozen" or "image" not in settings.trains
        set_training_mode(self.model.module, freeze_batch_norm=frozen)
        batches = self._batches(progress.epoch)
        for step in range(progress.step, len(batches)):
            next_rows = batches[step + 1][0] if step + 1 < len(batches) else None
            progress.total += self.step(loss, *batches[step], step, next_rows)
            progress.step = step + 1
            if not math.isfinite(progress.total):
                break
            if self.checkpoint.due:
                self._save()
        self._end_epoch()
        return math.isfinite(float(progress.curves["train_loss"][-1]))

    def _batches(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """(rows, which of them are mirrored) of each step of an epoch.

        One image alone has nothing to tell its caption from, and no spread for a batch norm.
        """
        order, mirrored = self.drawn(epoch)
        halves = zip(order.split(self.settings.batch), mirrored.split(self.settings.batch), strict=True)
        return [(rows, flips) for rows, flips in halves if len(rows) > 1 or self.settings.batch == 1]

    def step(self, loss: Loss, rows: Tensor, mirrored: Tensor, step: int, next_rows: Tensor | None = None) -> float:
        """One step on `rows` [B], flipped where `mirrored` [B]; returns the loss times B.

        `next_rows` are the rows of the next step, which are read meanwhile.
        """
        train = self.data.rows["train"]
        pixels = self.reader(train[rows.numpy()], None if next_rows is None else train[next_rows.numpy()])
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
        self.optimiser.zero_grad()
        value = self.gradients.add(loss, pixels, rows.to(self.model.device), step)
        self.optimiser.step()
        if self.settings.temperature_cap:
            with torch.no_grad():
                self.model.module.logit_scale.clamp_(max=math.log(self.settings.temperature_cap))
        return float(value) * len(rows)

    def _end_epoch(self) -> None:
        progress = self.progress
        scored = "val" in self.data.evaluated and math.isfinite(progress.total)
        val_map = self.predictions.val_map() if scored else math.nan
        self._curves().add(
            train_loss=torch.tensor([progress.total / len(self.data.targets["train"])], dtype=torch.float64),
            val_map=torch.tensor([val_map], dtype=torch.float64),
        )
        if self.settings.keep == "best" and val_map > progress.best:
            progress.best = val_map
            progress.kept = {name: value.detach().clone() for name, value in self.model.module.state_dict().items()}
        progress.epoch, progress.step, progress.total = progress.epoch + 1, 0, 0.0

    def drawn(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Rows of an epoch in order, [N], and which of them are mirrored, [N] bool."""
        rows = self.data.epoch_rows(self.seed, epoch, self.weights)
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "augmentation", epoch))
        return rows, torch.rand(len(rows), generator=generator) < self.settings.flip

    def _row_weights(self, trial: Trial) -> Tensor | None:
        sampling = self.settings.sampling
        if sampling and self.settings.tied_sampling:
            sampling = sampling.with_changes({"s": trial.hyperparameters.get("s", sampling.s)})
        return self.data.sampling_weights(sampling)

    def _save(self) -> None:
        model, optimiser = self.model.module.state_dict(), self.optimiser.state_dict()
        self.checkpoint.save({"model": model, "optimiser": optimiser, "progress": vars(self.progress)})

    def _resumed(self) -> LmClipProgress | None:
        saved = self.checkpoint.read(self.store.device)
        if saved is None:
            return None
        self.model.module.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        return LmClipProgress(**{"micro": self.whole} | saved["progress"])
