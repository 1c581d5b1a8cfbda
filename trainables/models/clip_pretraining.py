"""Contrastive pre-training of a small CLIP model on images and captions made of their labels."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.models.captions import numbered
from evenkeel.trainables.models.clip import ClipModel
from evenkeel.trainables.models.clip_settings import Pretraining
from evenkeel.trainables.models.text import unit
from evenkeel.trainables.random_streams import stream_seed

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""


def pretrain(
    model: ClipModel, images: ImageArray, texts: list[str], rows: np.ndarray, how: Pretraining, seed: int = 0
) -> None:
    """Train both towers in place on some `rows` of images [N, S, S, 1 or 3] uint8; `texts` are the captions of these.

    `seed` draws the order of the rows.

    AdamW and one rising and falling rate. Pairs of equal captions are all right answers of each other: scenes of few
    classes repeat their captions within every batch.
    """
    distinct, number = numbered(texts)
    tokens, number_of = model.text.tokens(distinct).to(model.device), torch.from_numpy(number)
    optimiser = torch.optim.AdamW(model.module.parameters(), lr=how.lr, weight_decay=how.weight_decay, fused=True)
    steps = how.epochs * (len(rows) // how.batch or 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=how.lr, total_steps=steps, pct_start=WARM_UP)
    order = torch.Generator().manual_seed(stream_seed(seed, "pretraining"))
    model.module.train()
    for _ in range(how.epochs):
        shuffled = torch.randperm(len(rows), generator=order)
        for batch in shuffled.split(how.batch)[: len(rows) // how.batch or 1]:
            which, pair = number_of[batch].unique(return_inverse=True)
            encoded = model.encode_images(torch.from_numpy(np.asarray(images[rows[batch.numpy()]])))
            loss = _soft_contrastive(
                encoded, model.text.encode(tokens[which.to(tokens.device)]), pair, model.logit_scale
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                model.module.logit_scale.clamp_(max=float(np.log(100)))


def _soft_contrastive(images: Tensor, texts: Tensor, pair: Tensor, logit_scale: Tensor) -> Tensor:
    """Images [B, D] against distinct texts [M, D]; `pair` [B] says which text belongs to each image.

    Image to text is a classification among the texts of the batch; text to image shares its mass among its images.
    """
    similarity = logit_scale.exp() * unit(images) @ unit(texts).T
    pair = pair.to(similarity.device)
    right = functional.one_hot(pair, len(texts)).to(similarity)
    towards_text = functional.cross_entropy(similarity, pair)
    return (towards_text + functional.cross_entropy(similarity.T, (right / right.sum(0)).T)) / 2
