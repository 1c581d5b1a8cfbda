"""Features once per (data, backbone, image size), on disk, shared by all trials of a node."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainables.cache import made_once
from trainables.data import SPLITS, data_set
from trainables.data.load import load
from trainables.data.settings import Validation
from trainables.data.splits import class_groups, rows_of
from trainables.errors import TrainableError

VERSION = 1
"""Raised when the computation of features changes, so that old caches are left alone."""


def backbone_identity(settings: dict[str, Any]) -> dict[str, Any]:
    """The backbone section with a weights file replaced by the hash of its contents."""
    weights = settings.get("weights")
    if not weights:
        return settings
    path = Path(weights).expanduser()
    if not path.is_file():
        raise TrainableError(
            f"trainable.backbone.weights: {path} does not exist; give a safetensors or state-dict file"
        )
    return settings | {"weights": hashlib.sha256(path.read_bytes()).hexdigest()[:16]}


@dataclass(frozen=True)
class Features:
    """Standardised features [N, D], targets [N, C], split codes [N] and what is known of the data set."""

    folder: Path

    @cached_property
    def features(self) -> np.ndarray:
        return np.load(self.folder / "features.npy", mmap_mode="r")

    @cached_property
    def targets(self) -> np.ndarray:
        return np.load(self.folder / "targets.npy")

    @cached_property
    def split(self) -> np.ndarray:
        return np.load(self.folder / "split.npy")

    @cached_property
    def group(self) -> np.ndarray | None:
        path = self.folder / "group.npy"
        return np.load(path) if path.exists() else None

    @cached_property
    def facts(self) -> dict[str, Any]:
        """classes, train_counts, rows per split, dimension."""
        return json.loads((self.folder / "facts.json").read_text())

    def rows(self, validation: dict[str, Any] | None, seed: int) -> dict[str, np.ndarray]:
        """Row numbers of train, val and test. With `validation`, val is carved from train, by seed if it says so."""
        wanted = Validation.model_validate(validation) if validation else None
        rows = rows_of(self.split, self.targets, self.group, wanted, seed)
        if not len(rows["val"]):
            raise TrainableError(
                "data: there are no validation images; give a split, or data.validation: {fraction: 0.2}"
            )
        return rows


def prepare(data: dict[str, Any], trainable: dict[str, Any], cache: Path, device: str = "cpu") -> Features:
    """The features of a study, computed on first use. Raises TrainableError for anything wrong in data or backbone."""
    folder = locate(data, trainable, cache)
    return Features(made_once(folder, lambda at: _compute(data, trainable, cache, at, device)))


def describe(features: Features, data: dict[str, Any], trainable: dict[str, Any], seeds: list[int]) -> dict[str, Any]:
    """The facts of a data set as a study splits it: classes, groups, rows, classes undefined in val or test.

    Raises TrainableError for features that are not finite or a seed whose split lacks validation rows.
    """
    bad = np.flatnonzero(~np.isfinite(features.features).all(1))
    if len(bad):
        raise TrainableError(
            f"{features.folder}: {len(bad)} rows of the features are not finite (first: row {bad[0]}); delete this "
            "folder and run again"
        )
    facts = dict(features.facts)
    rows = [features.rows(data.get("validation"), seed) for seed in seeds][0]
    facts["groups"] = class_groups(facts["train_counts"], trainable["head_min"], trainable["tail_below"])
    facts["rows"] = {name: len(at) for name, at in rows.items()}
    facts["labels_per_image"] = sorted(set(features.targets.sum(1).astype(int).tolist()))
    facts["undefined"] = {
        name: [c for n, c in zip(features.targets[at].sum(0), facts["classes"], strict=True) if n == 0]
        for name, at in rows.items()
        if name != "train"
    }
    return facts


def locate(data: dict[str, Any], trainable: dict[str, Any], cache: Path) -> Path:
    """Where the features lie or will lie; needs no torch."""
    decisive = {
        "version": VERSION,
        "data": {k: v for k, v in data_set(data).identity().items() if k != "validation"},
        "backbone": backbone_identity(trainable["backbone"]),
        "image_size": trainable["image_size"],
    }
    key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
    return cache / f"features-{key}"


def _compute(data: dict[str, Any], trainable: dict[str, Any], cache: Path, folder: Path, device: str) -> None:
    from trainables.models.build import extract

    images = load(data_set(data), trainable["image_size"], cache)
    train = images.rows("train")
    features = extract(images.images, images.targets, train, trainable["backbone"], device)
    mean, std = features[train].mean(0), features[train].std(0)
    features = (features - mean) / np.where(std > 1e-6, std, 1)
    folder.mkdir()
    np.save(folder / "features.npy", features.astype(np.float32))
    np.save(folder / "targets.npy", images.targets)
    np.save(folder / "split.npy", images.split)
    if images.group is not None:
        np.save(folder / "group.npy", images.group)
    facts = {
        "classes": images.classes,
        "train_counts": images.targets[train].sum(0).tolist(),
        "rows": {name: int((images.split == code).sum()) for code, name in enumerate(SPLITS)},
        "dimension": features.shape[1],
    }
    (folder / "facts.json").write_text(json.dumps(facts))
