"""Features once per (data, backbone, image size), on disk, shared by all trials of a node.

Nothing is fitted on rows that become validation: features are standardised over the train rows of a seed, and a
backbone that is warm-started sees only those (one set of features a seed where each seed carves its own validation).
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from evenkeel.trainables.data.identity import data_identity
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.split_facts import DataSplits, SplitFacts
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.cache_key import cache_key, fitted_seed
from evenkeel.trainables.probe.settings import Probe
from evenkeel.trainables.study_shares import content_hash, made_once_a_study

FEATURES_VERSION = 3
"""Raised when the computation of features changes, so that old caches are left alone."""


@dataclass(frozen=True)
class Features:
    """Features [N, D] float32 as the backbone gives them, targets [N, C], split codes [N]; group [N]."""

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
        return self._optional("group.npy")

    @cached_property
    def label_mask(self) -> np.ndarray | None:
        """Where a label is known, [N, C] bool; None when all are."""
        return self._optional("label_mask.npy")

    @cached_property
    def classes(self) -> list[str]:
        return json.loads((self.folder / "classes.json").read_text())

    @cached_property
    def skipped(self) -> tuple[str, ...]:
        """Why rows were left out; features of an earlier version do not say."""
        path = self.folder / "skipped.json"
        return tuple(json.loads(path.read_text())) if path.exists() else ()

    def _optional(self, name: str) -> np.ndarray | None:
        path = self.folder / name
        return np.load(path) if path.exists() else None


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Where the features of a study lie or will lie; needs torch only to make them."""

    probe: Probe
    data: DataSet
    cache: Path
    device: str = "cpu"

    def ready(self) -> bool:
        """Whether the features of the first seed are there."""
        return self._folder(self._fitted_seed(0)).exists()

    def of_seed(self, seed: int) -> Features:
        """The features that trials of `seed` train on, made on first use. Raises TrainableError."""
        fitted = self._fitted_seed(seed)
        return Features(made_once_a_study(self._folder(fitted), lambda folder: self._make(folder, fitted)))

    def shared_hash(self, seed: int) -> str:
        """Of the features that trials of `seed` train on."""
        return content_hash(self.of_seed(seed).folder)

    def splits(self, features: Features) -> DataSplits:
        """The data as the study splits it."""
        return DataSplits(
            name=self.data.name,
            targets=features.targets,
            split=features.split,
            group=features.group,
            classes=features.classes,
            validation=self.data.validation,
            cuts=self.probe,
            skipped=features.skipped,
            vary=self.probe.vary,
            label_mask=features.label_mask,
        )

    def describe(self, seeds: list[int]) -> SplitFacts:
        """The facts of the data, and how wide the features are. Raises TrainableError for features not finite."""
        features = self.of_seed(seeds[0])
        bad = np.flatnonzero(~np.isfinite(features.features).all(1))
        if len(bad):
            raise TrainableError(
                f"{features.folder}: {len(bad)} rows of the features are not finite (first: row {bad[0]}); delete "
                "this folder and run again"
            )
        return replace(self.splits(features).describe(seeds), dimension=features.features.shape[1])

    def _fitted_seed(self, seed: int) -> int | None:
        warm = self.probe.backbone.warm_start is not None
        return fitted_seed(self.data, self.probe.vary, seed, on_train_rows=warm)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """Contents are hashed once a store, not once a pack."""
        return data_identity(self.data)

    @cached_property
    def _backbone(self) -> dict[str, Any]:
        return self.probe.backbone.identity()

    def _folder(self, fitted: int | None) -> Path:
        key = cache_key(
            self._identity,
            self.probe.vary,
            fitted,
            version=FEATURES_VERSION,
            backbone=self._backbone,
            image_size=self.probe.image_size,
        )
        return self.cache / f"features-{key}"

    def _make(self, folder: Path, fitted: int | None) -> None:
        from evenkeel.trainables.models.frozen import extract

        images = load(self.data, self.probe.image_size, self.cache)
        rows = DataSplits.of(self.data.name, images, self.data.validation, self.probe).fitted(fitted or 0)
        seed = self.probe.seeds(fitted or 0).backbone
        folder.mkdir(exist_ok=True)
        extract(images, rows, self.probe.backbone, self.device, folder / "features.npy", folder.parent, seed)
        np.save(folder / "targets.npy", images.targets)
        np.save(folder / "split.npy", images.split)
        for name, array in (("group.npy", images.group), ("label_mask.npy", images.label_mask)):
            if array is not None:
                np.save(folder / name, array)
        (folder / "classes.json").write_text(json.dumps(images.classes))
        (folder / "skipped.json").write_text(json.dumps(images.skipped))


def standardised(features: np.ndarray, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Features [N, D] by split, of `rows` by split, standardised by mean and deviation of the train rows.

    A feature that is constant there is only centred.
    """
    train = features[rows["train"]]
    mean, std = train.mean(0), train.std(0)
    scale = np.where(std > 1e-6, std, 1)
    return {name: (features[numbers] - mean) / scale for name, numbers in rows.items()}
