"""One step of an `lm-clip` trial: the gradients of its two losses by a batch."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evenkeel.trainables.lm_clip.contrastive import LmClipLoss
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.loop.step import Forward, gradients_through, halving
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.models.clip import ClipModel
from evenkeel.trainables.random_streams import stream_seed
from evenkeel.trainables.seed_data import SeedData


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


@dataclass(frozen=True, eq=False)
class ClipGradients:
    """Of one trial; `seed` is that of its order, `progress` says where it stands."""

    model: ClipModel
    texts: Texts
    data: SeedData
    settings: LmClip
    seed: int
    progress: LmClipProgress

    def add(self, loss: Loss, pixels: Tensor, rows: Tensor, step: int) -> Tensor:
        """Add those of the train rows [B] with these pixels [B, S, S, channels] to the parameters'; returns the loss.

        In halves, and in halves of these, where memory runs out.
        """
        value, self.progress.micro = halving(
            self.progress.micro, lambda micro: self._add(loss, pixels, rows, step, micro), self.model.module
        )
        return value

    def _add(self, loss: Loss, pixels: Tensor, rows: Tensor, step: int, micro: int) -> Tensor:
        settings, texts, model = self.settings, self.texts, self.model
        torch.manual_seed(seed := stream_seed(self.seed, "step", self.progress.epoch, step))
        total = LmClipLoss(bal_weight=settings.bal_weight, contrastive_weight=settings.contrastive_weight, loss=loss)
        targets, mask = self.data.targets["train"][rows], self.data.label_mask.get("train")
        labelled = None if mask is None else mask[rows]
        tokens, caption_of = texts.captions_of(rows, self.seed, self.progress.epoch)
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

    def _autocast(self) -> torch.autocast:
        half = self.settings.precision == "bfloat16"
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=half)
