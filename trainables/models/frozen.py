"""Features of a frozen backbone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evenkeel.trainables.cached_rows import go_on_alike, write_rows
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.device import all_threads
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.build import build, check_size
from evenkeel.trainables.models.settings import Backbone
from evenkeel.trainables.models.warm_start import seeded, warm_start


def extract(
    images: ImageSet, fitted: np.ndarray, backbone: Backbone, device: str, path: Path, notes: Path, seed: int = 0
) -> None:
    """Write features [N, D] float32 as `path`; a warm start sees the rows `fitted` only.

    `seed` draws what is not pretrained. By what lies in the folder `notes` it goes on after a kill. Raises
    TrainableError for an unknown model, weights that do not fit, or non-finite features.
    """
    *_, size, channels = images.images.shape
    with seeded(seed), all_threads():
        model = build(backbone, channels, device)
        check_size(model.module, backbone, channels, size)
        go_on_alike(notes, device)
        if backbone.warm_start:
            warm_start(
                model, images.images, images.targets, fitted, backbone.warm_start, notes, images.label_mask, seed
            )

        def batches(start: int) -> Iterator[np.ndarray]:
            for batch in model.features(images.images, start):
                yield _finite(batch, start, backbone.name)
                start += len(batch)

        write_rows(path, len(images.images), batches, notes, f"features of {backbone.name}")


def _finite(features: np.ndarray, start: int, name: str) -> np.ndarray:
    bad = np.flatnonzero(~np.isfinite(features).all(1))
    if len(bad):
        raise TrainableError(
            f"trainable.backbone: {name} gives non-finite features for {len(bad)} of {len(features)} images "
            f"(first: row {start + bad[0]}); check its weights, mean and std"
        )
    return features
