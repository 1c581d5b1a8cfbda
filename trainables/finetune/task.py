"""What a trial of a seed learns from and is judged on: rows, targets and images, on the device when asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import DataSet, ImageSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.data.sampling import draw_rows, row_weights
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.loop.corruption import harmed
from evenkeel.trainables.measures import Evidence
from evenkeel.trainables.measures.outcome import EVALUATED
from evenkeel.trainables.random_streams import stream_seed


@dataclass(frozen=True, eq=False)
class Images:
    """The decoded images of a data set, memory-mapped where they lie in the cache, shared by all trials of a node."""

    settings: Finetune
    name: str
    data: DataSet
    images: ImageSet
    device: str

    @classmethod
    def of(cls, settings: Finetune, data: DataSet, cache: Path, device: str) -> "Images":
        """Decoded on first use. Raises TrainableError for data that cannot be trained on."""
        return cls(settings, data.name, data, load(data, settings.image_size, cache), device)

    @cached_property
    def facts(self) -> SplitFacts:
        """Rows, counts and groups."""
        return SplitFacts.of(self.name, self.images, self.data.validation, self.settings)

    def describe(self, seeds: list[int]) -> dict[str, Any]:
        """The facts of the data as the study splits it. Raises TrainableError when a seed has no validation rows."""
        return self.facts.describe(seeds)


@dataclass(frozen=True, eq=False)
class Task:
    """The rows of one seed, train rows as the knobs leave them. By split: targets [N, C], known [N, C] where told."""

    reader: Reader
    rows: dict[str, np.ndarray]
    targets: dict[str, Tensor]
    known: dict[str, Tensor]
    groups: dict[str, list[int]]
    image_groups: np.ndarray | None
    classes: tuple[str, ...]
    device: str

    @classmethod
    def of(cls, images: Images, settings: Finetune, seed: int) -> "Task":
        """Raises TrainableError when there are no validation rows."""
        found, rows = images.images, images.facts.rows(seed)
        labels = {split: found.targets[at] for split, at in rows.items()}
        told = {} if found.label_mask is None else {split: found.label_mask[at] for split, at in rows.items()}
        drawn = settings.seeds(seed).split
        rows["train"], labels["train"], kept = harmed(rows["train"], labels["train"], settings.knobs, drawn)
        told |= {"train": told["train"][kept]} if told else {}
        return cls(
            reader=Reader(found.images, images.device),
            rows=rows,
            targets={split: torch.from_numpy(of.astype(np.float32)).to(images.device) for split, of in labels.items()},
            known={split: torch.from_numpy(of).to(images.device) for split, of in told.items()},
            groups=images.facts.groups(),
            image_groups=images.facts.image_groups(),
            classes=tuple(found.classes),
            device=images.device,
        )

    @property
    def channels(self) -> int:
        return self.reader.images.shape[-1]

    def pixels(self, split: str, rows: Tensor, then: Tensor | None = None) -> Tensor:
        """Images [B, channels, S, S] in [0, 1] of rows of a split; laid out as they are stored: channels last.

        `then` are the rows asked for next.
        """
        of = self.rows[split]
        stored = self.reader(of[rows.numpy()], None if then is None else of[then.numpy()])
        return stored.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)

    def evidence(self) -> Evidence:
        """What scores are held against; the scores are still to come."""
        return Evidence(
            scores={},
            targets={split: self.targets[split] for split in EVALUATED},
            groups=self.groups,
            known={split: at for split, at in self.known.items() if split in EVALUATED},
            classes=self.classes,
            image_groups=self.image_groups,
        )

    def epoch(self, settings: Finetune, seed: int, epoch: int) -> Tensor:
        """The train rows of an epoch in their order, drawn from the seed and the epoch alone."""
        order = torch.Generator().manual_seed(stream_seed(seed, "order", epoch))
        if settings.sampling is None:
            return torch.randperm(len(self.rows["train"]), generator=order)
        return draw_rows(row_weights(self.targets["train"].cpu(), **settings.sampling.model_dump()), order)
