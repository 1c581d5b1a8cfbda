"""The contrastive loss of CLIP and the total that the LM-CLIP paper trains: contrastive plus a multi-label loss."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from trainables.fused import means
from trainables.losses._stable import Number
from trainables.losses.bal import Bal

LARGEST_SCALE = 100.0


def contrastive(images: Tensor, captions: Tensor, logit_scale: Tensor) -> Tensor:
    """Mean of image-to-caption and caption-to-image cross-entropy, a scalar.

    `images` and `captions` [B, D] are normalised here; `logit_scale` is the logarithm of the factor k of the cosines.
    Equal captions in a batch count as negatives of each other, as published. log B for equal similarities.
    Source: Radford et al. 2021; LM-CLIP paper, eq. 6. Raises ValueError unless both have the same shape [B, D].
    """
    if images.dim() != 2 or images.shape != captions.shape or not len(images):
        raise ValueError(f"images and captions must both be [B, D], got {tuple(images.shape)}, {tuple(captions.shape)}")
    similarity = similarities(images, captions, logit_scale)
    pairs = torch.arange(len(images), device=images.device)
    return (functional.cross_entropy(similarity, pairs) + functional.cross_entropy(similarity.T, pairs)) / 2


def similarities(rows: Tensor, columns: Tensor, logit_scale: Tensor, *, capped: bool = False) -> Tensor:
    """k times the cosines, [B, M], of rows [B, D] and columns [M, D]; `capped` keeps k <= 100 as CLIP did."""
    k = logit_scale.exp()
    k = k.clamp_max(LARGEST_SCALE) if capped else k
    return k * functional.normalize(rows.float(), dim=-1) @ functional.normalize(columns.float(), dim=-1).T


@dataclass(frozen=True, kw_only=True)
class LmClip:
    """L_CLIP + bal_weight L_BAL: captions pull images, class prompts are judged by a multi-label loss.

    The multi-label loss sees k times the cosine of image and class prompt, and is the mean over its entries. Any
    entrywise loss may stand in for BAL. Source: LM-CLIP paper, eq. 6, and its published code.
    """

    bal_weight: Number = 0.4
    loss: Bal = field(default_factory=Bal)

    def __call__(
        self, images: Tensor, captions: Tensor, prompts: Tensor, targets: Tensor, logit_scale: Tensor
    ) -> Tensor:
        """A scalar, for images and captions [B, D], class prompts [C, D], targets [B, C] and the log of k."""
        logits = similarities(images, prompts, logit_scale)
        return contrastive(images, captions, logit_scale) + self.bal_weight * means(self.loss, logits, targets)
