"""Train a whole CLIP model, one trial after the other: contrastive loss on captions plus a multi-label loss on prompts.

Order, mirroring and dropout of a step follow from seed, epoch and step alone, so a trial that was cut off goes on from
its checkpoint with the numbers of an undisturbed one.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.epochs import stop_reason
from evenkeel.trainables.fused import path_of
from evenkeel.trainables.lm_clip.contrastive import LmClipLoss, similarities
from evenkeel.trainables.lm_clip.model import TrainedClip, prepared_model
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.loop.checkpoint import Checkpoints
from evenkeel.trainables.loop.modes import set_training_mode
from evenkeel.trainables.loop.schedule import cosine_share
from evenkeel.trainables.loop.step import Forward, gradients_through, halving, own_randomness
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS, Evidence
from evenkeel.trainables.measures.outcome import TrainingCurves, results, stopped_result
from evenkeel.trainables.measures.resolution import check_sizes
from evenkeel.trainables.measures.scores import UNKNOWN, average_precision
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


@dataclass
class LmClipProgress:
    """Where a trial stands: epochs and steps done, the loss summed over this epoch's rows, curves, the best epoch."""

    micro: int
    epoch: int = 0
    step: int = 0
    total: float = 0.0
    curves: dict[str, list[Tensor]] = field(default_factory=dict)
    best: float = -math.inf
    kept: dict[str, Tensor] = field(default_factory=dict)
    prompts: Tensor | None = None


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
        self.optimiser = _optimiser(parameters, settings)
        self.checkpoint = Checkpoints(place, settings.checkpoint_minutes)
        self.whole = settings.micro_batch or settings.batch
        self.progress = self._resumed() or LmClipProgress(self.whole)

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
            self._evidence(predicted=finite),
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

    def _evidence(self, *, predicted: bool) -> Evidence:
        evidence = self.data.evidence()
        if not predicted:
            return evidence
        embeddings = {split: self._embeddings(split) for split in self.data.evaluated}
        logits = {split: self._logits(values) for split, values in embeddings.items()}
        folder, stored = self.checkpoint.folder, self.store.images.images
        folder.mkdir(parents=True, exist_ok=True)
        return replace(
            evidence,
            scores={split: self._scores(values)[None] for split, values in logits.items()},
            logits={split: values[None] for split, values in logits.items()},
            embeddings={split: values[None] for split, values in embeddings.items()},
            trained=TrainedClip(self.model, self.texts, stored, self.data, self.loss, self._scores, folder),
        )

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
        positions, model = rows.to(self.model.device), self.model.module
        value, self.progress.micro = halving(
            self.progress.micro, lambda micro: self._gradients(loss, pixels, positions, step, micro), model
        )
        self.optimiser.step()
        if self.settings.temperature_cap:
            with torch.no_grad():
                model.logit_scale.clamp_(max=math.log(self.settings.temperature_cap))
        return float(value) * len(rows)

    def _gradients(self, loss: Loss, pixels: Tensor, rows: Tensor, step: int, micro: int) -> Tensor:
        """Add the gradients of a batch to those of the parameters; returns its loss."""
        settings, texts, model = self.settings, self.texts, self.model
        torch.manual_seed(seed := stream_seed(self.seed, "step", self.progress.epoch, step))
        total = LmClipLoss(bal_weight=settings.bal_weight, contrastive_weight=settings.contrastive_weight, loss=loss)
        targets, mask = self.data.targets["train"][rows], self.data.label_mask.get("train")
        labelled = None if mask is None else mask[rows]
        tokens, caption_of = texts.captions_of(rows)
        encoders: dict[str, tuple[Forward, Tensor]] = {"images": (model.encode_images, pixels)}
        if settings.contrastive_weight:
            encoders["captions"] = texts.encoder.encode, tokens
        if settings.bal_weight and settings.prompts_every == 1:
            encoders["prompts"] = texts.encoder.encode, texts.prompts
        kept = self._kept_prompts(step) if settings.bal_weight and settings.prompts_every > 1 else None

        def value(encoded: dict[str, Tensor]) -> Tensor:
            images = encoded["images"]
            captions = encoded["captions"][caption_of] if "captions" in encoded else images
            prompts = encoded.get("prompts", images if kept is None else kept)
            return total(images, captions, prompts, targets, model.logit_scale, labelled)

        return gradients_through(encoders, value, micro=micro, seed=seed, cast=self._autocast)

    def _kept_prompts(self, step: int) -> Tensor:
        """Class prompts of the last n-th step, without gradient."""
        progress = self.progress
        if progress.prompts is None or step % self.settings.prompts_every == 0:
            with torch.no_grad(), self._autocast():
                progress.prompts = self.texts.encode_prompts()
        return progress.prompts

    def _end_epoch(self) -> None:
        progress = self.progress
        scored = "val" in self.data.evaluated and math.isfinite(progress.total)
        val_map = self._val_map() if scored else math.nan
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

    def _embeddings(self, split: str) -> Tensor:
        """Of the images of a split, [N, D]; the model is in evaluation mode afterwards."""
        return torch.cat(list(self.model.embeddings(self.store.images.images, self.data.rows[split])))

    @torch.inference_mode()
    def _logits(self, embeddings: Tensor) -> Tensor:
        """k times the cosines of images and class prompts, [N, C]."""
        return similarities(embeddings, self.texts.encode_prompts(), self.model.logit_scale)

    def _scores(self, logits: Tensor) -> Tensor:
        if self.settings.scores == "softmax":
            return logits.double().softmax(-1)
        return torch.sigmoid(self.loss.log_odds(logits.double()))

    def _val_map(self) -> float:
        scores = self._scores(self._logits(self._embeddings("val"))).nan_to_num(0.0)
        scores = self.data.masked(scores, "val", UNKNOWN)
        return float(average_precision(scores[None], self.data.targets["val"]).nanmean())

    def _autocast(self) -> torch.autocast:
        half = self.settings.precision == "bfloat16"
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=half)

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


def _optimiser(parameters: list[nn.Parameter], settings: LmClip) -> torch.optim.AdamW:
    betas = (settings.beta1, settings.beta2)
    idle = [torch.zeros((), requires_grad=True)]  # torch refuses an optimiser without parameters
    return torch.optim.AdamW(
        parameters or idle, settings.lr, betas, settings.epsilon, settings.weight_decay, fused=True
    )


def learning_rate(settings: LmClip, epoch: int) -> float:
    """The learning rate of an epoch, from 0."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * cosine_share(epoch / (settings.schedule_epochs or settings.epochs))
