"""How scores hold when test images are blurred or noisy (RAL Table 8); severities are ours: the paper states none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs
from evenkeel.trainables.random_streams import stream_seed

if TYPE_CHECKING:
    from torch import Tensor

IMAGES_AT_ONCE = 64
BLUR = {"blur_1": 1.0, "blur_2": 2.0, "blur_4": 4.0}
"""Standard deviation in pixels of an image 224 pixels wide."""
SPECKLE = {"speckle_001": 0.01, "speckle_01": 0.1, "speckle_05": 0.5}
"""Variance of n in x (1 + n)."""
SALT_AND_PEPPER = {"salt_001": 0.01, "salt_005": 0.05, "salt_02": 0.2}
"""Fraction of the pixels, half of them white, half black."""
PARTS = (*BLUR, *SPECKLE, *SALT_AND_PEPPER)
LABELS = (
    *(f"blur, pixels at 224: {value:g}" for value in BLUR.values()),
    *(f"speckle, variance: {value:g}" for value in SPECKLE.values()),
    *(f"salt and pepper, share: {value:g}" for value in SALT_AND_PEPPER.values()),
)


@dataclass(frozen=True)
class Noise:
    """mAUC and mAP on changed test images: changed in [0, 1] before normalisation, clipped, one seed an image."""

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            f"noise_{metric}": Column(
                f"{title} on noisy images", splits=("test",), parts=PARTS, labels=LABELS, repeats=metric
            )
            for metric, title in (("mauc", "mAUC"), ("map", "mAP"))
        }

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        totals = {}
        for part in PARTS:
            mauc, mean_ap = rescored(evidence, partial(disturbed, part=part))
            totals[f"test_noise_mauc_{part}"], totals[f"test_noise_map_{part}"] = mauc, mean_ap
        for metric in ("mauc", "map"):
            totals[f"test_noise_{metric}"] = torch.stack([totals[f"test_noise_{metric}_{p}"] for p in PARTS]).mean(0)
        return Measured(totals)


def rescored(evidence: Evidence, change: "Callable[[Tensor, Tensor], Tensor]") -> "tuple[Tensor, Tensor]":
    """(mAUC, mAP), each [1], of the test images after change(images [B, channels, S, S] in [0, 1], row numbers)."""
    import torch

    from evenkeel.trainables.measures.scores import average_precision, for_ranking, roc_auc

    trained, parts = evidence.trained, []
    assert trained is not None
    with torch.inference_mode():
        for rows in torch.arange(trained.num_rows("test")).split(IMAGES_AT_ONCE):
            images = change(trained.images("test", rows), rows)
            parts.append(trained.scores(trained.module(trained.normalised(images)).float()))
    scores, targets = for_ranking(evidence, "test", torch.cat(parts)[None]), evidence.targets["test"]
    return roc_auc(scores, targets).nanmean(-1), average_precision(scores, targets).nanmean(-1)


def disturbed(images: "Tensor", rows: "Tensor", part: str) -> "Tensor":
    """Images [B, channels, S, S] in [0, 1] with one kind and severity of noise, drawn from the row number of each."""
    import torch

    if part in BLUR:
        from kornia.filters import gaussian_blur2d

        sigma = BLUR[part] * images.shape[-1] / 224
        size = min(2 * round(3 * sigma) + 1, 2 * images.shape[-1] - 1)
        return gaussian_blur2d(images, max(3, size), (sigma, sigma)) if sigma else images
    changed = []
    for image, row in zip(images, rows.tolist(), strict=True):
        draw = torch.Generator().manual_seed(stream_seed(0, "noise", PARTS.index(part), row))
        if part in SPECKLE:
            noise = torch.randn(image.shape, generator=draw).to(image) * SPECKLE[part] ** 0.5
            changed.append((image * (1 + noise)).clamp(0, 1))
        else:
            drawn = torch.rand(image.shape[-2:], generator=draw).to(image)
            half = SALT_AND_PEPPER[part] / 2
            changed.append(torch.where(drawn < half, 1.0, torch.where(drawn < 2 * half, 0.0, image)))
    return torch.stack(changed)
