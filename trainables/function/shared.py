"""What the trials of a training function share in a process: the data, if it is ours, and what was returned before."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evenkeel.trainables.data.image_set import DataSet, ImageSet
from evenkeel.trainables.data.split_facts import NUM_IMAGE_GROUPS, DataSplits, SplitFacts
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.random_streams import stream


@dataclass
class Shared:
    """`images` and `splits` are those of a data set of ours, None for data that the function brings itself."""

    data: DataSet
    cache: Path
    device: str = "cpu"
    images: ImageSet | None = None
    splits: DataSplits | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    """By kind what the first trial of this process returned; every other must return the same kind."""

    def describe(self, seeds: list[int]) -> SplitFacts:
        """The facts of a data set of ours; of the function's own data its name alone."""
        if self.splits:
            return self.splits.describe(seeds)
        return SplitFacts(name=getattr(self.data, "title", self.data.name))

    @property
    def files(self) -> list[str]:
        """The files that own data names."""
        return list(getattr(self.data, "files", ()))

    def same(self, kind: str, value: Any, complaint: str) -> None:
        """Raises TrainableError with `complaint` when an earlier trial of this process had another value."""
        if self.memory.setdefault(kind, value) != value:
            raise TrainableError(complaint)

    def image_groups(self, num_rows: int) -> np.ndarray | None:
        """One of NUM_IMAGE_GROUPS random groups for each test row, [N], the same for all trials; None for one row."""
        if self.splits:
            return self.splits.image_groups()
        if num_rows < 2:
            return None
        return stream(0, "image_groups").permutation(num_rows) % min(NUM_IMAGE_GROUPS, num_rows)
