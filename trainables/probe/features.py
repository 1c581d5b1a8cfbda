"""Features once per (data, backbone, image size), on disk, shared by all trials of a node.

Nothing is fitted on rows that become validation: features are standardised over the train rows of a seed, and a
backbone that is warm-started sees only those (one set of features a seed where each seed carves its own validation).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from evenkeel.trainables.cache import made_once
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.probe.settings import Probe

VERSION = 3
"""Raised when the computation of features changes, so that old caches are left alone."""


@dataclass(frozen=True)
class Features:
    """Features [N, D] float32 as the backbone gives them, targets [N, C], split codes [N]; group [N], known [N, C]."""

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
    def known(self) -> np.ndarray | None:
        """Where a label is known, [N, C] bool; None when all are."""
        return self._optional("known.npy")

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
        return self._folder(self._variant(0)).exists()

    def of_seed(self, seed: int) -> Features:
        """The features that trials of `seed` train on, made on first use. Raises TrainableError."""
        variant = self._variant(seed)
        return Features(made_once(self._folder(variant), lambda folder: self._make(folder, variant)))

    def facts(self, features: Features) -> SplitFacts:
        """The facts of the data as the study splits it."""
        return SplitFacts(
            name=self.data.name,
            targets=features.targets,
            split=features.split,
            group=features.group,
            classes=features.classes,
            validation=self.data.validation,
            cuts=self.probe,
            skipped=features.skipped,
            vary=self.probe.vary,
        )

    def describe(self, seeds: list[int]) -> dict[str, Any]:
        """The facts of the data, and how wide the features are. Raises TrainableError for features not finite."""
        features = self.of_seed(seeds[0])
        bad = np.flatnonzero(~np.isfinite(features.features).all(1))
        if len(bad):
            raise TrainableError(
                f"{features.folder}: {len(bad)} rows of the features are not finite (first: row {bad[0]}); delete "
                "this folder and run again"
            )
        return self.facts(features).describe(seeds) | {"dimension": features.features.shape[1]}

    def _variant(self, seed: int) -> int | None:
        """The seed whose train rows the backbone is fitted on, or None when it is the same for all."""
        validation = self.data.validation
        if self._anew:
            return seed
        if not (self.probe.backbone.warm_start and validation):
            return None
        return self.probe.seeds(seed).split if validation.per_seed else 0

    @property
    def _anew(self) -> bool:
        """Whether each seed makes its own backbone."""
        return "backbone" in self.probe.varies(self.data)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """Contents are hashed once a store, not once a pack."""
        return {
            "version": VERSION,
            "data": self.data.identity(),
            "backbone": self.probe.backbone.identity(),
            "image_size": self.probe.image_size,
        }

    def _folder(self, variant: int | None) -> Path:
        data = {k: v for k, v in self._identity["data"].items() if variant is not None or k != "validation"}
        vary = {"vary": self.probe.vary} if self._anew else {}
        decisive = self._identity | {"data": data, "seed": variant} | vary
        key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
        return self.cache / f"features-{key}"

    def _make(self, folder: Path, variant: int | None) -> None:
        from evenkeel.trainables.models.frozen import extract

        images = load(self.data, self.probe.image_size, self.cache)
        fitted = SplitFacts.of(self.data.name, images, self.data.validation, self.probe).fitted(variant or 0)
        seed = self.probe.seeds(variant or 0).backbone
        folder.mkdir()
        np.save(folder / "features.npy", extract(images, fitted, self.probe.backbone, self.device, seed))
        np.save(folder / "targets.npy", images.targets)
        np.save(folder / "split.npy", images.split)
        for name, array in (("group.npy", images.group), ("known.npy", images.label_mask)):
            if array is not None:
                np.save(folder / name, array)
        (folder / "classes.json").write_text(json.dumps(images.classes))
        (folder / "skipped.json").write_text(json.dumps(images.skipped))


@lru_cache(maxsize=2)
def standardised(store: FeatureStore, seed: int) -> tuple[Features, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(features, rows by split, standardised values by split); the last two seeds are kept: packs come seed by seed.

    Mean and deviation are those of the seed's train rows; a feature that is constant there is only centred.
    """
    features = store.of_seed(seed)
    rows = store.facts(features).rows(seed)
    train = features.features[rows["train"]]
    mean, std = train.mean(0), train.std(0)
    scale = np.where(std > 1e-6, std, 1)
    return features, rows, {name: (features.features[at] - mean) / scale for name, at in rows.items()}
