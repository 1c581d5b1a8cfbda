"""The model of a trial: timm's, with a classifier that starts at the training frequencies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.finetune.seed_images import SeedImages
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.loop.augment import augmentation
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures.resolution import check_sizes
from evenkeel.trainables.models.build import ImageModel, build, check_size
from evenkeel.trainables.models.training import classifier_of, make_optimiser, make_schedule, with_classifier
from evenkeel.trainables.models.warm_start import seeded
from evenkeel.trainables.random_streams import stream_seed


def build_model(settings: Finetune, images: SeedImages, seed: int) -> ImageModel:
    """Fresh from `seed` where not pretrained. Raises TrainableError for an unknown model or weights that misfit."""
    torch.manual_seed(stream_seed(seed, "init"))
    model = build(settings.backbone, images.channels, images.device)
    classifier = with_classifier(model.module, len(images.data.classes))
    if settings.bias == "prior" and classifier.bias is not None:
        with torch.no_grad():
            classifier.bias.copy_(images.data.prior_logits)
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
    make_schedule(make_optimiser(module, settings), settings, steps_per_epoch=1)
    augmentation(settings.augment, channels, size)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What measures may ask of a trained trial; shapes are those of `evenkeel.trainables.measures.base.Trained`."""

    model: ImageModel
    module: nn.Module
    seed_images: SeedImages
    loss: Loss
    batch: int
    folder: Path

    def num_rows(self, split: str) -> int:
        return len(self.seed_images.data.rows[split])

    def images(self, split: str, rows: Tensor) -> Tensor:
        return self.seed_images.pixels(split, rows)

    def labels(self, split: str, rows: Tensor) -> Tensor:
        return self.seed_images.data.targets[split][rows]

    def label_mask(self, split: str, rows: Tensor) -> Tensor:
        return self.seed_images.data.mask_of(split, rows)

    def normalised(self, images: Tensor) -> Tensor:
        return self.model.normalised(images)

    def scores(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(self.loss.log_odds(logits.double()))

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.loss(logits, targets)

    def predict(self, split: str) -> tuple[Tensor, Tensor]:
        """(logits [N, C], embeddings [N, D]) of a split in float32: what leaves the classifier, and what enters it."""
        logits, embeddings = zip(*self._predicted(split), strict=True)
        return torch.cat(logits), torch.cat(embeddings)

    def _predicted(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        inputs: list[Tensor] = []
        hook = classifier_of(self.module).register_forward_pre_hook(lambda _, args: inputs.append(args[0].float()))
        self.module.eval()
        try:
            with torch.inference_mode():
                parts = torch.arange(self.num_rows(split)).split(self.batch)
                for rows, next_rows in zip_longest(parts, parts[1:]):
                    pixels = self.seed_images.pixels(split, rows, next_rows)
                    logits = self.module(self.normalised(pixels)).float()
                    yield logits, inputs.pop()
        finally:
            hook.remove()
