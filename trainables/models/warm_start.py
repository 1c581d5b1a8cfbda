"""BCE before freezing: the backbone sees the train rows, then is frozen (decoupled training, Kang et al. 2020)."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

import numpy as np
import torch
from torch import nn

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.data.sampling import batches_of
from evenkeel.trainables.models.build import ImageModel
from evenkeel.trainables.models.settings import WarmStart
from evenkeel.trainables.random_streams import stream_seed


def warm_start(
    model: ImageModel,
    images: ImageArray,
    targets: np.ndarray,
    fitted: np.ndarray,
    settings: WarmStart,
    label_mask: np.ndarray | None = None,
    seed: int = 0,
) -> None:
    """Train `model` in place on the rows `fitted` of images [N, S, S, channels] uint8 and targets [N, C] 0/1.

    A linear head is trained with it. Entries outside of `label_mask` [N, C] have no part in the loss. `seed` draws the
    order of the rows.
    """
    device = model.mean.device
    reader = Reader(images, device)
    head = nn.LazyLinear(targets.shape[1]).to(device)
    labels = torch.from_numpy(targets[fitted].astype(np.float32)).to(device)
    mask = None if label_mask is None else torch.from_numpy(label_mask[fitted]).to(device)
    with torch.no_grad():
        model.module.eval()
        head(model.module(model.pixels(reader(fitted[:2]))).flatten(1))
    parameters = [*model.module.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.lr)
    steps = settings.epochs * len(batches_of(torch.arange(len(fitted)), settings.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings.lr, total_steps=steps)
    order = torch.Generator().manual_seed(stream_seed(seed, "pretraining"))
    model.module.train()
    for _ in range(settings.epochs):
        batches = batches_of(torch.randperm(len(fitted), generator=order), settings.batch)
        for rows, next_rows in zip_longest(batches, batches[1:]):
            pixels = model.pixels(
                reader(fitted[rows.numpy()], None if next_rows is None else fitted[next_rows.numpy()])
            )
            logits = head(model.module(pixels).flatten(1))
            rows = rows.to(device)
            loss = _bce(logits, labels[rows], None if mask is None else mask[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def _bce(logits: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is None:
        return nn.functional.binary_cross_entropy_with_logits(logits, labels)
    entries = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return entries[mask].sum() / mask.sum().clamp_min(1)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights and dropout from `seed`; the generator outside is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "backbone"))
        yield
