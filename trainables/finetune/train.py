"""Fine-tune a whole model, trial after trial; a trial whose worker is lost goes on from its last checkpoint.

Every draw (order of rows, augmentation, dropout) comes from the trial's seed and the number of the step alone, so a
trial's numbers depend neither on what its process ran before nor on where it was interrupted.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.sampling import batches_of
from evenkeel.trainables.epochs import stop_reason
from evenkeel.trainables.finetune.model import TrainedModel, build_model, try_out
from evenkeel.trainables.finetune.seed_images import DecodedImages, SeedImages
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.fused import means, path_of
from evenkeel.trainables.loop.augment import augmentation
from evenkeel.trainables.loop.checkpoint import Checkpoints
from evenkeel.trainables.loop.modes import set_training_mode
from evenkeel.trainables.loop.padding_taps import zero_unseen
from evenkeel.trainables.loop.step import Precision, gradients, halving, own_randomness
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS, Evidence
from evenkeel.trainables.measures.outcome import TrainingCurves, at_prior, results, stopped_result
from evenkeel.trainables.measures.scores import UNKNOWN, f1_at
from evenkeel.trainables.models.build import ImageModel
from evenkeel.trainables.models.training import make_average, make_optimiser, make_schedule
from evenkeel.trainables.packing import stack_losses
from evenkeel.trainables.random_streams import stream_seed
from evenkeel.trainables.result import Result
from evenkeel.trainables.trial import Trial


@dataclass(frozen=True)
class FinetuneWorker:
    """Trains one trial after the other; see `evenkeel.trainables.base.Worker`."""

    settings: Finetune
    measures: tuple[str, ...] = ALWAYS

    def prepare(self, data: DataSet, cache: Path, device: str = "cpu") -> DecodedImages:
        """The decoded images. Raises TrainableError for what would fail in every trial."""
        images = DecodedImages.of(self.settings, data, cache, device)
        try_out(self.settings, images.images, self.measures)
        return images

    def bytes_per_trial(self, prepared: DecodedImages) -> int:
        """Trials follow each other: one more in a pack needs no memory."""
        return 0

    def run(self, trials: list[Trial], prepared: DecodedImages, place: Path) -> Iterator[tuple[Trial, Result]]:
        """Each trial as it ends."""
        for trial in trials:
            settings = self.settings.with_changes(trial.settings)
            with own_randomness(settings.deterministic):
                yield trial, FinetuneRun.of(trial, settings, prepared, place / trial.id).result(self.measures)


@dataclass
class FinetuneProgress:
    """Where a trial stands. The loss of an epoch is summed over its steps so far."""

    step: int = 0
    epoch_loss: float = 0.0
    micro: int = 1
    wall_s: float = 0.0
    diverged: int | None = None
    train_loss: list[float] = field(default_factory=list)
    val_f1: list[float] = field(default_factory=list)


@dataclass(eq=False)
class FinetuneRun:
    """The training of one trial: everything that a checkpoint holds, and what moves it on."""

    trial: Trial
    seed: int
    settings: Finetune
    images: SeedImages
    loss: Loss
    model: ImageModel
    checkpoints: Checkpoints
    progress: FinetuneProgress

    def __post_init__(self) -> None:
        settings, module = self.settings, self.model.module
        self.num_epoch_steps = len(batches_of(torch.arange(len(self.images.data.rows["train"])), settings.batch))
        self.optimiser = make_optimiser(module, settings)
        self.schedule = make_schedule(self.optimiser, settings, self.num_epoch_steps)
        self.ema = make_average(module, settings.ema) if settings.ema else None
        self.precision = Precision(settings.precision, self.images.device)
        if settings.precision == "bfloat16" and self.images.device == "cpu":
            zero_unseen(module)
        self.scaler = self.precision.scaler()
        self.augment = augmentation(settings.augment, self.images.channels, settings.image_size)
        self.compiled: Callable[[Tensor], Tensor] = torch.compile(module) if settings.compile else module
        self.order: tuple[int, list[Tensor]] = (-1, [])

    @classmethod
    def of(cls, trial: Trial, settings: Finetune, prepared: DecodedImages, folder: Path) -> "FinetuneRun":
        """A new run, or one that goes on from the checkpoint in `folder`."""
        images = SeedImages.of(prepared, settings, trial.seed)
        ((loss, _),) = stack_losses([trial], images.data.loss_facts, torch.float32, images.device)
        seeds = settings.seeds(trial.seed)
        model = build_model(settings, images, seeds.init)
        progress = FinetuneProgress(micro=_whole(settings))
        checkpoints = Checkpoints(folder, settings.checkpoint_minutes)
        run = cls(trial, seeds.order, settings, images, loss, model, checkpoints, progress)
        if saved := run.checkpoints.read(images.device):
            run.restore(saved)
        return run

    def parts(self) -> dict[str, Any]:
        """What has a state of its own."""
        ema = {"ema": self.ema} if self.ema else {}
        return {"model": self.model.module, "optimiser": self.optimiser, "scaler": self.scaler} | ema

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        return {name: part.state_dict() for name, part in self.parts().items()} | {"progress": vars(self.progress)}

    def restore(self, saved: dict[str, Any]) -> None:
        """Stand where the checkpoint stood."""
        for name, part in self.parts().items():
            part.load_state_dict(saved[name])
        self.progress = FinetuneProgress(**saved["progress"])

    def result(self, measures: tuple[str, ...]) -> Result:
        """Train what is left, then measure. A loss or a score that is not finite is a divergence."""
        started = time.perf_counter() - self.progress.wall_s
        while self.progress.diverged is None and self.progress.step < self.settings.epochs * self.num_epoch_steps:
            self.advance()
            self.progress.wall_s = time.perf_counter() - started
            if reason := self._stop_reason():
                return stopped_result(self.curves(), reason, self.progress.wall_s)
            if self.checkpoints.due:
                self.checkpoints.save(self.state())
        prior = self.images.data.frequencies
        with torch.inference_mode(self.progress.diverged is not None):
            evidence = self.evidence(prior)
        if not all(bool(scores.isfinite().all()) for scores in evidence.scores.values()):
            self.progress.diverged = self.settings.epochs
        self.checkpoints.folder.mkdir(parents=True, exist_ok=True)
        (result,) = results(
            evidence,
            prior,
            self.curves(),
            measures,
            epochs=self.settings.epochs,
            wall_s=time.perf_counter() - started,
            paths=[path_of(self.loss)],
        )
        if result.state == "done" and self.progress.micro != _whole(self.settings):
            return replace(result, note=f"memory ran out: trained in micro-batches of {self.progress.micro}")
        return result

    def _stop_reason(self) -> str | None:
        epoch, step = divmod(self.progress.step, self.num_epoch_steps)
        if step or not 0 < epoch < self.settings.epochs or self.progress.diverged:
            return None
        return stop_reason(self.trial, epoch, {"val_f1": self.progress.val_f1[-1]})

    def curves(self) -> TrainingCurves:
        """One value an epoch; NaN for the loss of the epoch that left the finite numbers."""
        curves, progress = TrainingCurves(1), self.progress
        losses = progress.train_loss[: (progress.diverged or self.settings.epochs + 1) - 1]
        for epoch, loss in enumerate(losses):
            curves.add(train_loss=torch.tensor([loss]), val_f1=torch.tensor([progress.val_f1[epoch]]))
        if progress.diverged:
            curves.add(train_loss=torch.tensor([torch.nan]), val_f1=torch.tensor([torch.nan]))
        return curves

    def advance(self) -> None:
        """One step of the optimiser; at the end of an epoch its curves."""
        progress, settings = self.progress, self.settings
        epoch, position = divmod(progress.step, self.num_epoch_steps)
        rows, *later = self._batches(epoch)[position : position + 2]
        seed = stream_seed(self.seed, "step", progress.step)
        torch.manual_seed(seed)
        pixels = self.model.normalised(self.augment(self.images.pixels("train", rows, *later)))
        if settings.channels_last:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        criterion = self._criterion(self.loss.at(epoch / settings.epochs), rows)
        set_training_mode(self.model.module, freeze_batch_norm=settings.freeze_batch_norm)

        def step(micro: int) -> Tensor:
            return gradients(self._forward, pixels, criterion, micro=micro, scale=self.scaler.scale, seed=seed)

        value, progress.micro = halving(progress.micro, step, self.model.module)
        if not value.isfinite():
            progress.diverged = epoch + 1
            return
        self._update()
        progress.step += 1
        progress.epoch_loss += float(value)
        if progress.step % self.num_epoch_steps == 0:
            progress.train_loss.append(progress.epoch_loss / self.num_epoch_steps)
            progress.val_f1.append(self._val_f1())
            progress.epoch_loss = 0.0

    def _batches(self, epoch: int) -> list[Tensor]:
        if self.order[0] != epoch:
            self.order = epoch, batches_of(self._epoch_rows(epoch), self.settings.batch)
        return self.order[1]

    def _epoch_rows(self, epoch: int) -> Tensor:
        weights = self.images.data.sampling_weights(self.settings.sampling)
        return self.images.data.epoch_rows(self.seed, epoch, weights)

    def _forward(self, images: Tensor) -> Tensor:
        with self.precision.cast():
            return self.compiled(images)

    def _criterion(self, loss: Loss, rows: Tensor) -> Callable[[Tensor], Tensor]:
        """The mean over the labelled entries of a batch, of its logits in float32."""
        targets, mask = self.images.data.targets["train"][rows], self.images.data.label_mask.get("train")
        labelled = None if mask is None else mask[rows]
        return lambda logits: means(loss, logits, targets, labelled)

    def _update(self) -> None:
        if self.schedule:
            self.schedule.step_update(self.progress.step)
        if self.settings.clip_grad:
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.model.module.parameters(), self.settings.clip_grad)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update(self.model.module, step=self.progress.step)

    @property
    def trained(self) -> TrainedModel:
        """The model as it is scored now: its averaged weights, where they are averaged."""
        module = self.ema.module if self.ema else self.model.module
        return TrainedModel(self.model, module, self.images, self.loss, self.settings.batch, self.checkpoints.folder)

    def _val_f1(self) -> float:
        if "val" not in self.images.data.evaluated:
            return float("nan")
        log_odds = self.loss.log_odds(self.trained.predict("val")[0])
        log_odds = self.images.data.masked(log_odds, "val", UNKNOWN)
        return float(f1_at(log_odds, self.images.data.targets["val"], 0.0).nanmean())

    def evidence(self, prior: Tensor) -> Evidence:
        """What the trained model predicts on val and test; the training frequencies [C] where it diverged."""
        if self.progress.diverged is not None:
            return at_prior(self.images.data.evidence(), prior)
        trained = self.trained
        predicted = {split: trained.predict(split) for split in self.images.data.evaluated}
        return replace(
            self.images.data.evidence(),
            scores={split: trained.scores(logits)[None] for split, (logits, _) in predicted.items()},
            logits={split: logits[None] for split, (logits, _) in predicted.items()},
            embeddings={split: embeddings[None] for split, (_, embeddings) in predicted.items()},
            trained=trained,
        )


def _whole(settings: Finetune) -> int:
    """So many images at once unless memory runs out; a batch may hold one more than it is meant to."""
    return settings.micro_batch or settings.batch + 1
