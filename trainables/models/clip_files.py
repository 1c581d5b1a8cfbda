"""Where a node keeps what is made of a CLIP model: pre-trained weights and image embeddings. No torch here."""

from dataclasses import dataclass
from pathlib import Path

from evenkeel.trainables.data.identity import data_identity
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.models.cache_key import cache_key, fitted_seed
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.seeds import Source

MODELS_VERSION = 2
"""Raised when the same settings would give other models or embeddings, so that old caches are left alone."""


@dataclass(frozen=True)
class ClipFiles:
    """Named after all that decides their contents; whether they are there tells if they are made."""

    clip: Clip
    image_size: int
    normalisation: Normalisation
    data: DataSet
    cache: Path
    vary: list[Source] | None = None

    def model(self, seed: int) -> Path:
        """Weights pre-trained for the trials of `seed`."""
        return self.cache / f"clip-{self._key(seed)}.pt"

    def embeddings(self, seed: int) -> Path:
        """Embeddings of all images by the model that trials of `seed` start from."""
        return self.cache / f"embeddings-{self._key(seed)}.npy"

    def _key(self, seed: int) -> str:
        pretraining = self.clip.pretraining
        on_train_rows = pretraining is not None and pretraining.pairs == "train"
        return cache_key(
            data_identity(self.data),
            self.vary,
            fitted_seed(self.data, self.vary, seed, on_train_rows=on_train_rows),
            version=MODELS_VERSION,
            model=self.clip.identity(self.normalisation),
            image_size=self.image_size,
            normalisation=self.normalisation,
        )
