"""What a trial of a seed learns from and is judged on: its labels, and its images on the device when asked for."""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet, ImageSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.data.split_facts import DataSplits, SplitFacts
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.image_batch import to_unit_range
from evenkeel.trainables.loop.corruption import corrupt
from evenkeel.trainables.seed_data import SeedData


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """The decoded images of a data set, memory-mapped where they lie in the cache, shared by all trials of a node."""

    settings: Finetune
    data: DataSet
    images: ImageSet
    device: str

    @classmethod
    def of(cls, settings: Finetune, data: DataSet, cache: Path, device: str) -> "DecodedImages":
        """Decoded on first use. Raises TrainableError for data that cannot be trained on."""
        return cls(settings, data, load(data, settings.image_size, cache), device)

    @cached_property
    def splits(self) -> DataSplits:
        """Rows, counts and groups."""
        return DataSplits.of(self.data.name, self.images, self.data.validation, self.settings)

    def describe(self, seeds: list[int]) -> SplitFacts:
        """The facts of the data as the study splits it. Raises TrainableError when a seed has no validation rows."""
        return self.splits.describe(seeds)


@dataclass(frozen=True, eq=False)
class SeedImages:
    """The images and labels of one seed, train rows as the knobs leave them."""

    reader: Reader
    data: SeedData
    device: str

    @classmethod
    def of(cls, decoded: DecodedImages, settings: Finetune, seed: int) -> "SeedImages":
        """Raises TrainableError when there are no validation rows."""
        data = SeedData.of(
            decoded.splits,
            seed,
            dtype=torch.float32,
            device=decoded.device,
            corrupt=partial(corrupt, knobs=settings.knobs, seed=settings.seeds(seed).split),
        )
        return cls(Reader(decoded.images.images, decoded.device), data, decoded.device)

    @property
    def channels(self) -> int:
        """1 or 3."""
        return self.reader.images.shape[-1]

    def pixels(self, split: str, rows: Tensor, next_rows: Tensor | None = None) -> Tensor:
        """Images [B, channels, S, S] in [0, 1] of rows of a split; laid out as they are stored: channels last.

        `next_rows` are those asked for next, which are read ahead.
        """
        numbers = self.data.rows[split]
        ahead = None if next_rows is None else numbers[next_rows.numpy()]
        return to_unit_range(self.reader(numbers[rows.numpy()], ahead), self.device)
