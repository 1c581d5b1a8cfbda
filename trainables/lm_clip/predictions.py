"""What the model of an `lm-clip` trial predicts of the images of a split."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.lm_clip.contrastive import similarities
from evenkeel.trainables.lm_clip.model import TrainedClip
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.losses import Loss
from evenkeel.trainables.measures import Evidence
from evenkeel.trainables.measures.scores import UNKNOWN, average_precision
from evenkeel.trainables.models.clip import ClipModel
from evenkeel.trainables.seed_data import SeedData


@dataclass(frozen=True, eq=False)
class ClipPredictions:
    """By the model as it is now; `stored` are the images of all splits [N, S, S, channels] uint8."""

    model: ClipModel
    texts: Texts
    stored: ImageArray
    data: SeedData
    loss: Loss
    settings: LmClip

    def val_map(self) -> float:
        """Mean average precision on validation."""
        scores = self._scores(self._logits(self._embeddings("val"))).nan_to_num(0.0)
        scores = self.data.masked(scores, "val", UNKNOWN)
        return float(average_precision(scores[None], self.data.targets["val"]).nanmean())

    def evidence(self, folder: Path) -> Evidence:
        """What measures need; those that leave files do so in `folder`."""
        embeddings = {split: self._embeddings(split) for split in self.data.evaluated}
        logits = {split: self._logits(values) for split, values in embeddings.items()}
        folder.mkdir(parents=True, exist_ok=True)
        return replace(
            self.data.evidence(),
            scores={split: self._scores(values)[None] for split, values in logits.items()},
            logits={split: values[None] for split, values in logits.items()},
            embeddings={split: values[None] for split, values in embeddings.items()},
            trained=TrainedClip(self.model, self.texts, self.stored, self.data, self.loss, self._scores, folder),
        )

    def _embeddings(self, split: str) -> Tensor:
        """Of the images of a split, [N, D]; the model is in evaluation mode afterwards."""
        return torch.cat(list(self.model.embeddings(self.stored, self.data.rows[split])))

    @torch.inference_mode()
    def _logits(self, embeddings: Tensor) -> Tensor:
        """k times the cosines of images and class prompts, [N, C]."""
        return similarities(embeddings, self.texts.encode_prompts(), self.model.logit_scale)

    def _scores(self, logits: Tensor) -> Tensor:
        if self.settings.scores == "softmax":
            return logits.double().softmax(-1)
        return torch.sigmoid(self.loss.log_odds(logits.double()))
