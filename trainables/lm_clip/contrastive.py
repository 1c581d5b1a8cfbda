"""The contrastive loss of CLIP and the total that the LM-CLIP paper trains: contrastive plus a multi-label loss."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from evenkeel.trainables.fused import means
from evenkeel.trainables.losses import Bal, Loss
from evenkeel.trainables.models.text import unit


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


def similarities(rows: Tensor, columns: Tensor, logit_scale: Tensor) -> Tensor:
    """k times the cosines, [B, M], of rows [B, D] and columns [M, D]."""
    return logit_scale.exp() * unit(rows) @ unit(columns).T


@dataclass(frozen=True, kw_only=True)
class LmClipLoss:
    """contrastive_weight L_CLIP + bal_weight L_BAL: captions pull images, a multi-label loss judges class prompts.

    The multi-label loss sees k times the cosine of image and class prompt, and is the mean over its entries. Any
    loss may stand in for BAL. A part of weight 0 is not computed and needs no captions or prompts.
    Source: LM-CLIP paper, eq. 6, and its published code.
    """

    bal_weight: float = 0.4
    contrastive_weight: float = 1.0
    loss: Loss = field(default_factory=Bal)

    def __call__(
        self,
        images: Tensor,
        captions: Tensor,
        prompts: Tensor,
        targets: Tensor,
        logit_scale: Tensor,
        label_mask: Tensor | None = None,
    ) -> Tensor:
        """A scalar, for images and captions [B, D], class prompts [C, D], targets [B, C] and the log of k.

        `label_mask` [B, C] bool leaves entries out whose label is missing.
        """
        total = torch.zeros((), dtype=logit_scale.dtype, device=images.device)
        if self.contrastive_weight:
            total = total + self.contrastive_weight * contrastive(images, captions, logit_scale)
        if self.bal_weight:
            logits = similarities(images, prompts, logit_scale)
            total = total + self.bal_weight * means(self.loss, logits, targets, label_mask).sum()
        return total
