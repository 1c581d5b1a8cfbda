"""The labels of one seed on the device: what every trainable learns from and is judged on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.data.sampling import draw_rows, row_weights
from evenkeel.trainables.data.settings import Sampling
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.measures.base import EVALUATED, Evidence
from evenkeel.trainables.random_streams import stream_seed

Corruption = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""(train rows [N], their targets [N, C]) -> (rows kept [n], targets [n, C], their positions among the rows [n])."""


@dataclass(frozen=True, eq=False)
class SeedData:
    """Rows of a seed and their labels. By split (train, val, test):

    `rows` [N] are row numbers of the images, train rows several times where they are a bootstrap; `targets` [N, C] are
    0/1; `label_mask` [N, C] bool says where a label is known (no entry: everywhere; unknown ones have target 0).
    """

    rows: dict[str, np.ndarray]
    targets: dict[str, Tensor]
    label_mask: dict[str, Tensor]
    groups: dict[str, list[int]]
    """Class numbers of head, medium and tail classes."""
    image_groups: np.ndarray | None
    """Group of each test image, [N]: `DataSplits.image_groups`."""
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls, splits: DataSplits, seed: int, *, dtype: torch.dtype, device: str, corrupt: Corruption | None = None
    ) -> "SeedData":
        """The data of `seed`; `corrupt` changes its train rows. Raises TrainableError as `DataSplits.rows` does."""
        rows = splits.rows(seed)
        targets = {split: splits.targets[numbers] for split, numbers in rows.items()}
        label_mask = splits.label_mask
        masks = {} if label_mask is None else {split: label_mask[numbers] for split, numbers in rows.items()}
        if corrupt:
            rows["train"], targets["train"], kept = corrupt(rows["train"], targets["train"])
            masks |= {"train": masks["train"][kept]} if masks else {}
        return cls(
            rows=rows,
            targets={split: to_device(labels, dtype, device) for split, labels in targets.items()},
            label_mask={split: to_device(mask, torch.bool, device) for split, mask in masks.items()},
            groups=splits.groups(),
            image_groups=splits.image_groups(),
            classes=tuple(splits.classes),
        )

    @property
    def evaluated(self) -> tuple[str, ...]:
        """The splits that are scored; val only where there are validation rows."""
        return tuple(split for split in EVALUATED if len(self.rows[split]))

    @property
    def loss_facts(self) -> dict[str, Any]:
        """What losses may ask of the train rows: `counts`, positives of each class, and `total`, the rows."""
        train = self.targets["train"]
        return {"counts": tuple(train.sum(0).int().tolist()), "total": len(train)}

    @property
    def num_labelled(self) -> Tensor:
        """Train rows in which each class has a label, [C] float64."""
        targets, mask = self.targets["train"], self.label_mask.get("train")
        if mask is None:
            return torch.full((targets.shape[1],), float(len(targets)), dtype=torch.float64, device=targets.device)
        return mask.sum(0).double().clamp_min(1)

    @property
    def frequencies(self) -> Tensor:
        """Share of positives among the labelled train rows of each class, [C] float64."""
        return self.targets["train"].double().sum(0) / self.num_labelled

    @property
    def prior_logits(self) -> Tensor:
        """Logits of the training frequencies, [C] float64: heads that start there need not first unlearn p = 1/2.

        Counts are kept half an image away from none and all, where a logit is infinite.
        """
        num_rows, positives = self.num_labelled, self.targets["train"].double().sum(0)
        return (positives.clamp_min(0.5).minimum(num_rows - 0.5) / num_rows).logit()

    def masked(self, scores: Tensor, split: str, value: float) -> Tensor:
        """Scores [..., N, C] of a split with `value` where a label is not known."""
        mask = self.label_mask.get(split)
        return scores if mask is None else scores.masked_fill(~mask, value)

    def mask_of(self, split: str, rows: Tensor) -> Tensor:
        """Which labels of some rows of a split are known, [B, C] bool."""
        mask = self.label_mask.get(split)
        return torch.ones_like(self.targets[split][rows], dtype=torch.bool) if mask is None else mask[rows]

    def sampling_weights(self, sampling: Sampling | None) -> Tensor | None:
        """Weight of each train row, [N] float64 on the CPU; None where every row is drawn once an epoch."""
        if sampling is None:
            return None
        return row_weights(self.targets["train"].cpu(), s=sampling.s, form=sampling.form)

    def epoch_rows(self, seed: int, epoch: int, weights: Tensor | None) -> Tensor:
        """Positions of the train rows of an epoch in their order, [N] on the CPU, by seed and epoch alone."""
        generator = torch.Generator().manual_seed(stream_seed(seed, "order", epoch))
        if weights is None:
            return torch.randperm(len(self.targets["train"]), generator=generator)
        return draw_rows(weights, generator)

    def evidence(self) -> Evidence:
        """What scores are compared with; the scores are still to come."""
        return Evidence(
            scores={},
            targets={split: self.targets[split] for split in self.evaluated},
            groups=self.groups,
            label_mask={split: mask for split, mask in self.label_mask.items() if split in self.evaluated},
            classes=self.classes,
            image_groups=self.image_groups,
        )


def to_device(array: np.ndarray, dtype: torch.dtype, device: str | torch.device) -> Tensor:
    """An array as a tensor of `dtype` on the device; of the same shape."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)
