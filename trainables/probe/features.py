"""Features once per (data, backbone, image size), on disk, shared by all trials of a node."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from trainables.data import SPLITS, carve, load, source_of
from trainables.errors import TrainableError

GROUPS = ("head", "medium", "tail")
VERSION = 1
"""Raised when the computation of features changes, so that old caches are left alone."""

DATA_PATHS = ("root",)


def data_identity(settings: dict[str, Any]) -> dict[str, Any]:
    """What of the data section decides a result: everything but where the files lie, and a hash of the contents."""
    kept = {key: value for key, value in settings.items() if key not in DATA_PATHS}
    return kept | {"fingerprint": source_of(settings).fingerprint()}


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
        split = self.split
        if validation:
            train = np.flatnonzero(split != SPLITS.index("test"))
            rng = np.random.default_rng([seed if validation["per_seed"] else 0, 1])
            group = None if self.group is None else self.group[train]
            chosen = carve(self.targets[train], group, fraction=validation["fraction"], rng=rng)
            split = split.copy()
            split[train] = np.where(chosen, SPLITS.index("val"), SPLITS.index("train"))
        rows = {name: np.flatnonzero(split == code) for code, name in enumerate(SPLITS)}
        if not len(rows["val"]):
            raise TrainableError(
                "data: there are no validation images; give a split, or data.validation: {fraction: 0.2}"
            )
        return rows


def prepare(data: dict[str, Any], trainable: dict[str, Any], cache: Path, device: str = "cpu") -> Features:
    """The features of a study, computed on first use. Raises TrainableError for anything wrong in data or backbone."""
    folder = locate(data, trainable, cache)
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                _compute(data, trainable, cache, folder, device)
    return Features(folder)


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


def class_groups(counts: list[int], head_min: int, tail_below: int) -> dict[str, list[int]]:
    """Class numbers by training positives: head n >= head_min, tail n < tail_below, medium between (D24)."""
    groups: dict[str, list[int]] = {name: [] for name in GROUPS}
    for c, count in enumerate(counts):
        groups["head" if count >= head_min else "tail" if count < tail_below else "medium"].append(c)
    return groups


def locate(data: dict[str, Any], trainable: dict[str, Any], cache: Path) -> Path:
    """Where the features lie or will lie; needs no torch."""
    decisive = {
        "version": VERSION,
        "data": {k: v for k, v in data_identity(data).items() if k != "validation"},
        "backbone": backbone_identity(trainable["backbone"]),
        "image_size": trainable["image_size"],
    }
    key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
    return cache / f"features-{key}"


def _compute(data: dict[str, Any], trainable: dict[str, Any], cache: Path, folder: Path, device: str) -> None:
    from trainables.models.build import extract

    images = load(data, trainable["image_size"], cache)
    train = images.rows("train")
    features = extract(images.images, images.targets, train, trainable["backbone"], device)
    mean, std = features[train].mean(0), features[train].std(0)
    features = (features - mean) / np.where(std > 1e-6, std, 1)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    np.save(temporary / "features.npy", features.astype(np.float32))
    np.save(temporary / "targets.npy", images.targets)
    np.save(temporary / "split.npy", images.split)
    if images.group is not None:
        np.save(temporary / "group.npy", images.group)
    facts = {
        "classes": images.classes,
        "train_counts": images.targets[train].sum(0).tolist(),
        "rows": {name: int((images.split == code).sum()) for code, name in enumerate(SPLITS)},
        "dimension": features.shape[1],
    }
    (temporary / "facts.json").write_text(json.dumps(facts))
    temporary.rename(folder)
