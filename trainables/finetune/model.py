"""The model of a trial: timm's, with a classifier that starts at the training frequencies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.finetune.task import Task
from evenkeel.trainables.loop.augment import augmentation
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures.resolution import check_sizes
from evenkeel.trainables.models.build import ImageModel, build, check_size
from evenkeel.trainables.models.training import classifier_of, optimiser_of, set_rate, with_classifier
from evenkeel.trainables.models.warm_start import seeded
from evenkeel.trainables.random_streams import stream_seed


def build_model(settings: Finetune, task: Task, seed: int) -> ImageModel:
    """Fresh from `seed` where not pretrained. Raises TrainableError for an unknown model or weights that misfit."""
    torch.manual_seed(stream_seed(seed, "init"))
    model = build(settings.backbone, task.channels, task.device)
    classifier = with_classifier(model.module, len(task.classes))
    if settings.bias == "prior" and classifier.bias is not None:
        num_rows = len(task.targets["train"])
        share = task.targets["train"].double().sum(0).clamp(0.5, num_rows - 0.5) / num_rows
        with torch.no_grad():
            classifier.bias.copy_(share.logit())
    if settings.channels_last:
        model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def try_out(settings: Finetune, images: ImageSet, measures: Sequence[str]) -> None:
    """Make what a trial makes, on the CPU, and show it an empty image. Raises TrainableError for what cannot be."""
    channels, size = images.images.shape[-1], settings.image_size
    with seeded(0):
        module = build(settings.backbone, channels, "cpu").module
    check_size(module, settings.backbone, channels, size)
    with_classifier(module, len(images.classes))
    if "resolution" in measures:
        check_sizes(module, channels, size)
    set_rate(optimiser_of(module, settings), settings, steps_per_epoch=1)
    augmentation(settings.augment, channels, size)


def training_mode(module: nn.Module, freeze_batch_norm: bool) -> None:
    """Training mode; frozen batch norms keep their statistics, their weights are trained."""
    module.train()
    if freeze_batch_norm:
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What measures may ask of a trained trial; see `evenkeel.trainables.measures.base.Trained`."""

    model: ImageModel
    module: nn.Module
    task: Task
    loss: Loss
    batch: int
    folder: Path

    def num_rows(self, split: str) -> int:
        return len(self.task.rows[split])

    def images(self, split: str, rows: Tensor) -> Tensor:
        return self.task.pixels(split, rows)

    def labels(self, split: str, rows: Tensor) -> Tensor:
        return self.task.targets[split][rows]

    def known(self, split: str, rows: Tensor) -> Tensor:
        told = self.task.known.get(split)
        return torch.ones_like(self.labels(split, rows), dtype=torch.bool) if told is None else told[rows]

    def normalised(self, images: Tensor) -> Tensor:
        return (images - self.model.mean) / self.model.std

    def scores(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(self.loss.log_odds(logits.double()))

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.loss(logits, targets)

    def predict(self, split: str) -> tuple[Tensor, Tensor]:
        """(logits [N, C], embeddings [N, D]) of a split in float32: what enters the classifier, and what leaves it."""
        parts = list(self._predicted(split))
        logits, embeddings = (torch.cat(of) for of in zip(*parts, strict=True))
        return logits, embeddings

    def _predicted(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        inputs: list[Tensor] = []
        hook = classifier_of(self.module).register_forward_pre_hook(lambda _, given: inputs.append(given[0].float()))
        self.module.eval()
        try:
            with torch.inference_mode():
                parts = torch.arange(self.num_rows(split)).split(self.batch)
                for rows, then in zip_longest(parts, parts[1:]):
                    logits = self.module(self.normalised(self.task.pixels(split, rows, then))).float()
                    yield logits, inputs.pop()
        finally:
            hook.remove()
