"""Train a whole CLIP model, one trial after the other: contrastive loss on captions plus a multi-label loss on prompts.

Order, mirroring and dropout of a step follow from seed, epoch and step alone, so a trial that was cut off goes on from
its checkpoint with the numbers of an undisturbed one.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.data.sampling import draw_rows, row_weights
from evenkeel.trainables.fused import path_of
from evenkeel.trainables.lm_clip.contrastive import LmClipLoss, similarities
from evenkeel.trainables.lm_clip.model import TrainedClip, prepared_model, training_mode
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.loop.checkpoint import Checkpoints
from evenkeel.trainables.loop.step import Forward, gradients_through, halving, own_randomness
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import ALWAYS, Evidence
from evenkeel.trainables.measures.outcome import EVALUATED, Curves, frequencies, results
from evenkeel.trainables.measures.resolution import check_sizes
from evenkeel.trainables.measures.scores import UNKNOWN, average_precision
from evenkeel.trainables.models.clip_store import ClipStore
from evenkeel.trainables.packing import stack_losses
from evenkeel.trainables.random_streams import stream_seed
from evenkeel.trainables.result import Result
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
                yield trial, Run(trial, prepared, settings, place / trial.id).result(self.measures)


@dataclass
class _Progress:
    """Where a trial stands: epochs and steps done, the loss summed over this epoch's rows, curves, the best epoch."""

    micro: int
    epoch: int = 0
    step: int = 0
    total: float = 0.0
    curves: dict[str, list[Tensor]] = field(default_factory=dict)
    best: float = -math.inf
    kept: dict[str, Tensor] = field(default_factory=dict)
    prompts: Tensor | None = None


class Run:
    """One trial from the model its seed starts from to its result."""

    def __init__(self, trial: Trial, store: ClipStore, settings: LmClip, place: Path) -> None:
        self.started = time.perf_counter()
        self.store, self.settings, self.seed = store, settings, settings.seeds(trial.seed).order
        self.rows = store.facts.rows(trial.seed)
        self.reader = Reader(store.images.images, store.device)
        self.model = prepared_model(store.model(trial.seed), settings)
        self.dtype = torch.float64 if settings.precision == "float64" else torch.float32
        self.targets = {name: self._tensor(store.images.targets[at], self.dtype) for name, at in self.rows.items()}
        labels = store.images.label_mask
        self.known = {} if labels is None else {n: self._tensor(labels[at], torch.bool) for n, at in self.rows.items()}
        y = self.targets["train"]
        facts = {"counts": tuple(y.sum(0).int().tolist()), "total": len(y)}
        ((self.loss, _),) = stack_losses([trial], facts, self.dtype, store.device)
        classes, train = store.images.classes, store.images.targets[self.rows["train"]]
        self.texts = Texts.of(self.model.text, train, classes, self.model.device)
        self.weights = self._row_weights(trial)
        parameters = [p for p in self.model.module.parameters() if p.requires_grad]
        self.optimiser = _optimiser(parameters, settings)
        self.checkpoint = Checkpoints(place, settings.checkpoint_minutes)
        self.whole = settings.micro_batch or settings.batch
        self.progress = self._resumed() or _Progress(self.whole)

    def result(self, measures: tuple[str, ...]) -> Result:
        """Train what is missing, then measure."""
        finite = True
        while finite and self.progress.epoch < self.settings.epochs:
            finite = self._epoch()
        if self.progress.kept:
            self.model.module.load_state_dict(self.progress.kept)
        (result,) = results(
            self._evidence(predicted=finite),
            frequencies(self.targets["train"], self.known.get("train")),
            Curves(1, self.progress.curves),
            measures,
            epochs=self.settings.epochs,
            wall_s=time.perf_counter() - self.started,
            paths=[path_of(self.loss)],
        )
        if result.state == "done" and self.progress.micro < self.whole:
            return replace(result, note=f"memory ran out: trained in micro-batches of {self.progress.micro}")
        return result

    def _evidence(self, *, predicted: bool) -> Evidence:
        targets, known = ({n: of[n] for n in EVALUATED if n in of} for of in (self.targets, self.known))
        facts = self.store.facts
        evidence = Evidence(
            {},
            targets,
            facts.groups(),
            known,
            classes=tuple(self.store.images.classes),
            image_groups=facts.image_groups(),
        )
        if not predicted:
            return evidence
        embeddings = {name: self._embeddings(name) for name in EVALUATED}
        logits = {name: self._logits(found) for name, found in embeddings.items()}
        folder, images = self.checkpoint.folder, self.store.images.images
        folder.mkdir(parents=True, exist_ok=True)
        scores = {name: self._scores(found)[None] for name, found in logits.items()}
        return replace(
            evidence,
            scores=scores,
            logits={name: found[None] for name, found in logits.items()},
            embeddings={name: found[None] for name, found in embeddings.items()},
            trained=TrainedClip(
                self.model, self.texts, images, self.rows, self.targets, self.known, self.loss, self._scores, folder
            ),
        )

    def _epoch(self) -> bool:
        """One epoch, or the rest of one; False when its loss left the finite numbers."""
        at, settings = self.progress, self.settings
        order, mirrored = self.drawn(at.epoch)
        loss = self.loss.at(at.epoch / settings.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = _rate(settings, at.epoch)
        training_mode(self.model.module, settings)
        # One image alone has nothing to tell its caption from, and no spread for a batch norm.
        halves = zip(order.split(settings.batch), mirrored.split(settings.batch), strict=True)
        batches = [(rows, flips) for rows, flips in halves if len(rows) > 1 or settings.batch == 1]
        for step in range(at.step, len(batches)):
            then = batches[step + 1][0] if step + 1 < len(batches) else None
            at.total += self.step(loss, *batches[step], step, then)
            at.step = step + 1
            if not math.isfinite(at.total):
                break
            if self.checkpoint.due:
                self._save()
        self._end_epoch()
        return math.isfinite(float(at.curves["train_loss"][-1]))

    def step(self, loss: Loss, rows: Tensor, mirrored: Tensor, step: int, then: Tensor | None = None) -> float:
        """One step; the loss times the number of rows. `then` are the rows of the next."""
        train = self.rows["train"]
        pixels = self.reader(train[rows.numpy()], None if then is None else train[then.numpy()])
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
        self.optimiser.zero_grad()
        at, model = rows.to(self.model.device), self.model.module
        value, self.progress.micro = halving(
            self.progress.micro, lambda micro: self._gradients(loss, pixels, at, step, micro), model
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
        targets, known = self.targets["train"][rows], self.known["train"][rows] if self.known else None
        tokens, caption_of = texts.captions_of(rows)
        encoders: dict[str, tuple[Forward, Tensor]] = {"images": (model.encode_images, pixels)}
        if settings.contrastive_weight:
            encoders["captions"] = texts.encoder.encode, tokens
        if settings.bal_weight and settings.prompts_every == 1:
            encoders["prompts"] = texts.encoder.encode, texts.prompts
        kept = self._kept_prompts(step) if settings.bal_weight and settings.prompts_every > 1 else None

        def value(found: dict[str, Tensor]) -> Tensor:
            images = found["images"]
            captions = found["captions"][caption_of] if "captions" in found else images
            prompts = found.get("prompts", images if kept is None else kept)
            return total(images, captions, prompts, targets, model.logit_scale, known)

        return gradients_through(encoders, value, micro=micro, seed=seed, cast=self._autocast)

    def _kept_prompts(self, step: int) -> Tensor:
        """Class prompts of the last n-th step, without gradient."""
        at = self.progress
        if at.prompts is None or step % self.settings.prompts_every == 0:
            with torch.no_grad(), self._autocast():
                at.prompts = self.texts.encode_prompts()
        return at.prompts

    def _end_epoch(self) -> None:
        at = self.progress
        curves = Curves(1, at.curves)
        val_map = self._val_map() if math.isfinite(at.total) else math.nan
        curves.add(
            train_loss=torch.tensor([at.total / len(self.targets["train"])], dtype=torch.float64),
            val_map=torch.tensor([val_map], dtype=torch.float64),
        )
        if self.settings.keep == "best" and val_map > at.best:
            at.best = val_map
            at.kept = {name: value.detach().clone() for name, value in self.model.module.state_dict().items()}
        at.epoch, at.step, at.total = at.epoch + 1, 0, 0.0

    def drawn(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Rows of an epoch in order, and which of them are mirrored."""
        order, flips = (
            torch.Generator().manual_seed(stream_seed(self.seed, name, epoch)) for name in ("order", "augmentation")
        )
        num = len(self.targets["train"])
        drawn = torch.randperm(num, generator=order) if self.weights is None else draw_rows(self.weights, order)
        return drawn, torch.rand(num, generator=flips) < self.settings.flip

    def _row_weights(self, trial: Trial) -> Tensor | None:
        sampling = self.settings.sampling
        if sampling is None:
            return None
        s = trial.hyperparameters.get("s", sampling.s) if self.settings.tied_sampling else sampling.s
        return row_weights(self.targets["train"].cpu(), s=s, form=sampling.form)

    def _embeddings(self, split: str) -> Tensor:
        """Of the images of a split, [N, D]; the model is in evaluation mode afterwards."""
        return self.model.embeddings(self.store.images.images, self.rows[split])

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
        if "val" in self.known:
            scores = scores.masked_fill(~self.known["val"], UNKNOWN)
        return float(average_precision(scores[None], self.targets["val"]).nanmean())

    def _autocast(self) -> torch.autocast:
        half = self.settings.precision == "bfloat16"
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=half)

    def _tensor(self, array: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.store.device, dtype)

    def _save(self) -> None:
        model, optimiser = self.model.module.state_dict(), self.optimiser.state_dict()
        self.checkpoint.save({"model": model, "optimiser": optimiser, "progress": vars(self.progress)})

    def _resumed(self) -> _Progress | None:
        saved = self.checkpoint.read(self.store.device)
        if saved is None:
            return None
        self.model.module.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        return _Progress(**{"micro": self.whole} | saved["progress"])


def _optimiser(parameters: list[nn.Parameter], settings: LmClip) -> torch.optim.AdamW:
    betas = (settings.beta1, settings.beta2)
    idle = [torch.zeros((), requires_grad=True)]  # torch refuses an optimiser without parameters
    return torch.optim.AdamW(
        parameters or idle, settings.lr, betas, settings.epsilon, settings.weight_decay, fused=True
    )


def _rate(settings: LmClip, epoch: int) -> float:
    """The learning rate of an epoch, from 0."""
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * 0.5 * (1 + math.cos(math.pi * epoch / (settings.schedule_epochs or settings.epochs)))
