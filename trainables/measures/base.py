"""What is measured of a trained trial: declared columns, computed for a whole pack from its evidence."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # declarations are read where torch is not wanted
    import numpy as np
    from torch import Tensor, nn

EVALUATED = ("val", "test")
"""The splits on which a trained trial is scored."""

Needs = Literal["scores", "logits", "embeddings", "model", "returned"]


@dataclass(frozen=True)
class Column:
    """A declared measurement: `<split>_<name>`, and `<split>_<name>_<part>` for each part.

    `headline` columns are those that the report can be switched to and that a study can be judged by. A column that
    `repeats` a headline score is that score on other test images, a part for each; `labels` are `kind: level` of parts.
    """

    title: str
    better: Literal["higher", "lower"] = "higher"
    splits: tuple[str, ...] = ("val", "test")
    parts: tuple[str, ...] = ()
    headline: bool = False
    shared: float = 0.5
    """Of a paired difference's variance over bootstraps of the train rows, what another training set moves alike."""
    labels: tuple[str, ...] = ()
    repeats: str = ""


class Trained(Protocol):
    """The model of one trial, in evaluation mode, for measures that need more than its predictions."""

    @property
    def module(self) -> "nn.Module":
        """From normalised images [B, channels, S, S] to logits [B, C]."""
        ...

    @property
    def folder(self) -> Path:
        """Where files of the record are left; it is there."""
        ...

    def num_rows(self, split: str) -> int: ...

    def images(self, split: str, rows: "Tensor") -> "Tensor":
        """Images [B, channels, S, S] in [0, 1] of rows (0, 1, ... within the split)."""
        ...

    def labels(self, split: str, rows: "Tensor") -> "Tensor":
        """Targets [B, C] of rows; 0 where a label is not known."""
        ...

    def label_mask(self, split: str, rows: "Tensor") -> "Tensor":
        """Which labels of rows are known, [B, C] bool."""
        ...

    def normalised(self, images: "Tensor") -> "Tensor":
        """Images in [0, 1], of any size, as the module takes them."""
        ...

    def scores(self, logits: "Tensor") -> "Tensor":
        """The probabilities [B, C], in float64, that the trial's loss trains."""
        ...

    def losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Loss of each entry, [B, C]."""
        ...


@dataclass(frozen=True)
class Evidence:
    """What K trials predict. By split: scores [K, N, C], probabilities in float64, and targets [N, C].

    `label_mask` [N, C] bool by split says where a label is known (a split that is not in it: everywhere); other entries
    have target 0 and must not count. What a trainable `gives` besides is here too: logits [K, N, C], embeddings
    [K, N, D], and, of a single trial, its model.
    """

    scores: "dict[str, Tensor]"
    targets: "dict[str, Tensor]"
    groups: dict[str, list[int]]
    """Class numbers of head, medium and tail classes."""
    label_mask: "dict[str, Tensor]" = field(default_factory=dict)
    logits: "dict[str, Tensor]" = field(default_factory=dict)
    embeddings: "dict[str, Tensor]" = field(default_factory=dict)
    trained: Trained | None = None
    classes: tuple[str, ...] = ()
    curves: "dict[str, Tensor]" = field(default_factory=dict)
    """Values of each epoch by name, [K, E]; that of a validation score begins with `val_`."""
    image_groups: "np.ndarray | None" = None
    """Group of each test image, [N], the same for all trials of a study: `DataSplits.image_groups`."""


@dataclass(frozen=True)
class Measured:
    """Numbers of K trials by column name: `totals` [K], `per_class` [K, C]; NaN where undefined.

    `images` [K, G] are totals without each group of test images.
    `files` by name: paths of large results of a single trial, in its folder.
    """

    totals: "dict[str, Tensor]" = field(default_factory=dict)
    per_class: "dict[str, Tensor]" = field(default_factory=dict)
    images: "dict[str, Tensor]" = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def saved(evidence: Evidence, name: str, **arrays: "np.ndarray") -> dict[str, str]:
    """Arrays of a single trial [...] as a file `<name>.npz` of its record: what `Measured.files` holds of it."""
    import numpy as np

    assert evidence.trained is not None
    path = evidence.trained.folder / f"{name}.npz"
    # allow_pickle is left out: numpy before 2.1 writes an array of that name.
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return {name: str(path)}


def by_group(per_class: "dict[str, Tensor]", groups: dict[str, list[int]]) -> "dict[str, Tensor]":
    """Means [K] of values [K, C] over the defined classes: of all by name, and of each group by `<name>_<group>`."""
    means = {name: values.nanmean(-1) for name, values in per_class.items()}
    for group, classes in groups.items():
        means |= {f"{name}_{group}": values[:, classes].nanmean(-1) for name, values in per_class.items()}
    return means


class Measure(Protocol):
    """One way to measure; a file of its own and a line in MEASURES."""

    @property
    def columns(self) -> dict[str, Column]:
        """Every column it gives, by name; what is not declared here is refused by the trial table."""
        ...

    @property
    def needs(self) -> Needs: ...

    def compute(self, evidence: Evidence) -> Measured: ...
