"""Where a node keeps what is made of a CLIP model: pre-trained weights and image embeddings. No torch here."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.seeds import Seeds, Source

VERSION = 2
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
        variant = self._variant(seed)
        data = self.data.identity()
        decisive = {
            "version": VERSION,
            "data": {key: value for key, value in data.items() if variant is not None or key != "validation"},
            "model": self.clip.identity(),
            "image_size": self.image_size,
            "normalisation": self.normalisation,
            "seed": variant,
        } | ({"vary": self.vary} if "backbone" in (self.vary or ()) else {})
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    def _variant(self, seed: int) -> int | None:
        """The seed whose train rows the model was fitted on, or None when it is the same for all."""
        pretraining, validation = self.clip.pretraining, self.data.validation
        if "backbone" in (self.vary or ()):
            return seed
        if not (pretraining and pretraining.pairs == "train" and validation):
            return None
        return Seeds.of(self.vary, seed).split if validation.per_seed else 0
