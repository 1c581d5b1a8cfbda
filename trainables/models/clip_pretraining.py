"""Contrastive pre-training of a small CLIP model on images and captions made of their labels."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.loop.checkpoint import MINUTES, Checkpoints, Training
from evenkeel.trainables.models.captions import numbered
from evenkeel.trainables.models.clip import ClipModel
from evenkeel.trainables.models.clip_settings import Pretraining
from evenkeel.trainables.models.text import unit
from evenkeel.trainables.progress import progress
from evenkeel.trainables.random_streams import stream_seed

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""


def pretrain(
    model: ClipModel,
    images: ImageArray,
    texts: list[str],
    rows: np.ndarray,
    how: Pretraining,
    notes: Path,
    seed: int = 0,
) -> None:
    """Train both towers in place on some `rows` of images [N, S, S, 1 or 3] uint8; `texts` are the captions of these.

    `seed` draws the order of the rows. In the folder `notes` of the cache it is left where it stands, to go on there
    after a kill.

    AdamW and one rising and falling rate. Pairs of equal captions are all right answers of each other: scenes of few
    classes repeat their captions within every batch.
    """
    distinct, number = numbered(texts)
    tokens, number_of = model.text.tokens(distinct).to(model.device), torch.from_numpy(number)
    optimiser = torch.optim.AdamW(model.module.parameters(), lr=how.lr, weight_decay=how.weight_decay, fused=True)
    batches = _batches(len(rows), how, seed)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=how.lr, total_steps=len(batches), pct_start=WARM_UP
    )
    training = Training(Checkpoints(notes, MINUTES), (model.module, optimiser, schedule))
    model.module.train()
    with progress(notes.parent, "pre-training of CLIP, steps", len(batches)) as show:
        for step in range(training.resumed(), len(batches)):
            show(step)
            batch = batches[step]
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
            training.save_when_due(step + 1)


def _batches(num_rows: int, how: Pretraining, seed: int) -> list[Tensor]:
    """Places [B] among the rows of every step of all epochs; what fills no batch is left out."""
    order = torch.Generator().manual_seed(stream_seed(seed, "pretraining"))
    orders = [torch.randperm(num_rows, generator=order) for _ in range(how.epochs)]
    return [batch for rows in orders for batch in rows.split(how.batch)[: num_rows // how.batch or 1]]


def _soft_contrastive(images: Tensor, texts: Tensor, pair: Tensor, logit_scale: Tensor) -> Tensor:
    """Images [B, D] against distinct texts [M, D]; `pair` [B] says which text belongs to each image.

    Image to text is a classification among the texts of the batch; text to image shares its mass among its images.
    """
    similarity = logit_scale.exp() * unit(images) @ unit(texts).T
    pair = pair.to(similarity.device)
    right = functional.one_hot(pair, len(texts)).to(similarity)
    towards_text = functional.cross_entropy(similarity, pair)
    return (towards_text + functional.cross_entropy(similarity.T, (right / right.sum(0)).T)) / 2
