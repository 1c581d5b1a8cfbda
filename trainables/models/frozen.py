"""Features of a frozen backbone."""

import numpy as np

from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.device import all_threads
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.build import build, check_size
from evenkeel.trainables.models.settings import Backbone
from evenkeel.trainables.models.warm_start import seeded, warm_start


def extract(images: ImageSet, fitted: np.ndarray, backbone: Backbone, device: str, seed: int = 0) -> np.ndarray:
    """Features [N, D] float32; a warm start sees the rows `fitted` only. `seed` draws what is not pretrained.

    Raises TrainableError for an unknown model, weights that do not fit, or non-finite features.
    """
    *_, size, channels = images.images.shape
    with seeded(seed), all_threads():
        model = build(backbone, channels, device)
        check_size(model.module, backbone, channels, size)
        if backbone.warm_start:
            warm_start(model, images.images, images.targets, fitted, backbone.warm_start, images.label_mask, seed)
        features = model.features(images.images)
    bad = np.flatnonzero(~np.isfinite(features).all(1))
    if len(bad):
        raise TrainableError(
            f"trainable.backbone: {backbone.name} gives non-finite features for {len(bad)} of {len(features)} images "
            f"(first: row {bad[0]}); check its weights, mean and std"
        )
    return features
