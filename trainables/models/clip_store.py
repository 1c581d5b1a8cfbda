"""What trials on a CLIP model share on a node: decoded images, the model they start from, embeddings of its images.

Nothing is fitted on rows that become validation: a model that is pre-trained on train rows sees only those of the seed
(one model a seed where each seed carves its own validation).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainables.cache import made_once
from trainables.data.digits import balanced_scenes
from trainables.data.facts import DataFacts
from trainables.data.image_set import DataSet, ImageSet
from trainables.data.load import load
from trainables.data.settings import ClassGroups
from trainables.device import all_threads
from trainables.models.captions import captions
from trainables.models.clip import ClipModel, Normalisation, build_clip
from trainables.models.clip_pretraining import pretrain
from trainables.models.clip_settings import Clip
from trainables.models.warm_start import seeded

VERSION = 1
"""Raised when the same settings would give other models or embeddings, so that old caches are left alone."""


@dataclass(frozen=True, eq=False)
class ClipStore:
    """Made on first use, once a node; see `trainables.base.Prepared`."""

    clip: Clip
    image_size: int
    normalisation: Normalisation
    cuts: ClassGroups
    data: DataSet
    cache: Path
    device: str = "cpu"

    @cached_property
    def images(self) -> ImageSet:
        """The decoded images. Raises TrainableError."""
        return load(self.data, self.image_size, self.cache)

    @cached_property
    def facts(self) -> DataFacts:
        """Rows of a seed, class counts and groups."""
        return DataFacts.of(self.data.name, self.images, self.data.validation, self.cuts)

    def describe(self, seeds: list[int]) -> dict[str, Any]:
        """The facts of the data."""
        return self.facts.describe(seeds)

    def ready(self) -> bool:
        """Whether a pre-trained model of the first seed is there; what is not pre-trained here is not known."""
        return self.clip.pretraining is not None and self._path("clip", 0, ".pt").exists()

    def model(self, seed: int) -> ClipModel:
        """A model of its own for one trial, as all trials of `seed` start from. Raises TrainableError."""
        if self.clip.pretraining is None:
            return self._built()
        path = made_once(self._path("clip", seed, ".pt"), lambda to: self._pretrained(to, seed))
        model = self._built()
        model.module.load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return model

    def embeddings(self, seed: int) -> np.ndarray:
        """Unit-norm embeddings [N, D] float32 of all images by the model of `seed`, made once."""
        path = self._path("embeddings", seed, ".npy")
        return np.load(made_once(path, lambda to: np.save(to, self._embedded(seed))), mmap_mode="r")

    def _built(self) -> ClipModel:
        with seeded(0):
            return build_clip(self.clip, self.image_size, self.normalisation, self.device)

    def _embedded(self, seed: int) -> np.ndarray:
        with all_threads():
            model = self.model(seed)
            return model.embeddings(self.images.images, np.arange(len(self.images.images))).cpu().numpy()

    def _pretrained(self, path: Path, seed: int) -> None:
        how = self.clip.pretraining
        assert how
        images, targets = self.images.images, self.images.targets
        rows = self.facts.rows(seed)["train"]
        if how.pairs == "balanced-digits":
            images, targets = balanced_scenes(how.num_pairs)
            rows = np.arange(len(images))
        rows = rows[targets[rows].any(1)]
        model = self._built()
        with seeded(0), all_threads():
            pretrain(model, images, captions(targets[rows], self.images.classes), rows, how)
        torch.save(model.module.state_dict(), path)

    def _path(self, what: str, seed: int, ending: str) -> Path:
        validation = self.data.validation
        fitted = self.clip.pretraining is not None and self.clip.pretraining.pairs == "train" and validation
        variant = (seed if validation.per_seed else 0) if fitted and validation else None
        decisive = {
            "version": VERSION,
            "data": {k: v for k, v in self.data.identity().items() if variant is not None or k != "validation"},
            "model": self.clip.identity(),
            "image_size": self.image_size,
            "normalisation": self.normalisation,
            "seed": variant,
        }
        key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
        return self.cache / f"{what}-{key}{ending}"
