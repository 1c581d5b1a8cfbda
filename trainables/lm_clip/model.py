"""A trained CLIP model as measures see it: from images to its similarities with the class prompts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.image_batch import to_unit_range
from evenkeel.trainables.lm_clip.contrastive import similarities
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.loop.padding_taps import zero_unseen
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.models.clip import ClipModel
from evenkeel.trainables.seed_data import SeedData


def prepared_model(model: ClipModel, settings: LmClip) -> ClipModel:
    """In the precision wanted, with gradients for the parts that are trained."""
    model.module.to(torch.float64 if settings.precision == "float64" else torch.float32)
    for name, parameter in model.module.named_parameters():
        part = "image" if name.startswith("visual.") else "temperature" if name.startswith("logit_") else "text"
        parameter.requires_grad_(part in settings.trains)
    if settings.precision == "bfloat16" and model.device.type == "cpu":
        zero_unseen(model.module.visual)
    return model


class ClassLogits(nn.Module):
    """From normalised images [B, 3, S, S] to k times their cosines with the class prompts, [B, C]."""

    def __init__(self, model: ClipModel, texts: Texts) -> None:
        super().__init__()
        self.clip, self.model, self.texts = model.module, model, texts

    def forward(self, images: Tensor) -> Tensor:
        return similarities(self.clip.encode_image(images), self.texts.encode_prompts(), self.model.logit_scale)


@dataclass(frozen=True, eq=False)
class TrainedClip:
    """What measures may ask of a trained trial, in the shapes of `evenkeel.trainables.measures.base.Trained`.

    The losses are those of the multi-label part, without its weight.
    """

    model: ClipModel
    texts: Texts
    stored: ImageArray
    data: SeedData
    loss: Loss
    scores: Callable[[Tensor], Tensor]
    folder: Path

    @cached_property
    def module(self) -> nn.Module:
        return ClassLogits(self.model, self.texts)

    def num_rows(self, split: str) -> int:
        return len(self.data.rows[split])

    def images(self, split: str, rows: Tensor) -> Tensor:
        stored = np.ascontiguousarray(self.stored[self.data.rows[split][rows.numpy()]])
        return to_unit_range(torch.from_numpy(stored), self.model.device)

    def labels(self, split: str, rows: Tensor) -> Tensor:
        return self.data.targets[split][rows]

    def label_mask(self, split: str, rows: Tensor) -> Tensor:
        return self.data.mask_of(split, rows)

    def normalised(self, images: Tensor) -> Tensor:
        return self.model.normalised(images)

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.loss(logits, targets)
