"""What trials on a CLIP model share on a node: decoded images, the model they start from, embeddings of its images.

Nothing is fitted on rows that become validation: a model that is pre-trained on train rows sees only those of the seed
(one model a seed where each seed carves its own validation).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from evenkeel.trainables.cached_rows import go_on_alike, write_rows
from evenkeel.trainables.data.digits import balanced_scenes
from evenkeel.trainables.data.image_set import DataSet, ImageSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.settings import ClassGroups
from evenkeel.trainables.data.split_facts import DataSplits, SplitFacts
from evenkeel.trainables.device import all_threads
from evenkeel.trainables.models.captions import Captions, captions
from evenkeel.trainables.models.clip import ClipModel, build_clip
from evenkeel.trainables.models.clip_files import ClipFiles
from evenkeel.trainables.models.clip_pretraining import pretrain
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.models.warm_start import seeded
from evenkeel.trainables.seeds import Seeds
from evenkeel.trainables.study_shares import content_hash, made_once_a_study


@dataclass(frozen=True, eq=False)
class ClipStore:
    """Made on first use, once a node; see `evenkeel.trainables.base.Prepared`."""

    clip: Clip
    image_size: int
    normalisation: Normalisation
    cuts: ClassGroups
    data: DataSet
    cache: Path
    device: str = "cpu"
    captions: Captions = Captions()

    @cached_property
    def images(self) -> ImageSet:
        """The decoded images. Raises TrainableError."""
        return load(self.data, self.image_size, self.cache)

    @cached_property
    def splits(self) -> DataSplits:
        """Rows of a seed, class counts and groups."""
        return DataSplits.of(self.data.name, self.images, self.data.validation, self.cuts)

    def describe(self, seeds: list[int]) -> SplitFacts:
        """The facts of the data. Raises TrainableError for rows that have no caption of the kind that is wanted."""
        self.captions.texts(self.images, self.images.rows("train"))
        return self.splits.describe(seeds)

    def model(self, seed: int) -> ClipModel:
        """A model of its own for one trial, as all trials of `seed` start from. Raises TrainableError."""
        if self.clip.pretraining is None:
            return self._built(seed)
        path = self._pretrained_weights(seed)
        model = self._built(seed)
        model.module.load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return model

    def embeddings(self, seed: int) -> np.ndarray:
        """Unit-norm embeddings [N, D] float32 of all images by the model of `seed`, made once."""
        path = made_once_a_study(self._files.embeddings(seed), lambda path: self._embed(path, seed))
        return np.load(path, mmap_mode="r")

    def shared_hash(self, seed: int) -> str:
        """Of the weights that trials of `seed` start from, where they are made here; empty for published ones."""
        return content_hash(self._pretrained_weights(seed)) if self.clip.pretraining else ""

    def _pretrained_weights(self, seed: int) -> Path:
        return made_once_a_study(self._files.model(seed), lambda path: self._pretrained(path, seed))

    @property
    def _files(self) -> ClipFiles:
        return ClipFiles(self.clip, self.image_size, self.normalisation, self.data, self.cache, self.splits.vary)

    def _anew(self, seed: int) -> int:
        """The seed of what a model is not given."""
        return Seeds.of(self.splits.vary, seed).backbone

    def _built(self, seed: int) -> ClipModel:
        with seeded(self._anew(seed)):
            return build_clip(self.clip, self.image_size, self.normalisation, self.device)

    def _embed(self, path: Path, seed: int) -> None:
        images = self.images.images
        with all_threads():
            model = self.model(seed)
            go_on_alike(path.parent, self.device)

            def batches(start: int) -> Iterator[np.ndarray]:
                return (part.cpu().numpy() for part in model.embeddings(images, np.arange(start, len(images))))

            write_rows(path, len(images), batches, path.parent, "embeddings of images")

    def _pretrained(self, path: Path, seed: int) -> None:
        how = self.clip.pretraining
        assert how
        images, targets = self.images.images, self.images.targets
        rows = self.splits.fitted(seed)
        if how.pairs == "balanced-digits":
            images, targets = balanced_scenes(how.num_pairs)
            rows = np.arange(len(images))
        rows = rows[targets[rows].any(1)]
        model = self._built(seed)
        with seeded(self._anew(seed)), all_threads():
            go_on_alike(path.parent, self.device)
            texts = captions(targets[rows], self.images.classes)
            pretrain(model, images, texts, rows, how, path.parent, self._anew(seed))
        weights = io.BytesIO()  # torch.save would write the file's name, a temporary one, into the file
        torch.save(model.module.state_dict(), weights)
        path.write_bytes(weights.getvalue())
