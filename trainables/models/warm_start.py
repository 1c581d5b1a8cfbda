"""BCE before freezing: the backbone sees the train rows, then is frozen (decoupled training, Kang et al. 2020)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from trainables.models.build import ImageModel
from trainables.models.settings import WarmStart


def warm_start(model: ImageModel, images: np.ndarray, targets: np.ndarray, settings: WarmStart) -> None:
    """Train `model` in place on images [N, S, S, channels] uint8 and targets [N, C] 0/1, with a linear head."""
    device = model.mean.device
    head = nn.LazyLinear(targets.shape[1]).to(device)
    labels = torch.from_numpy(targets.astype(np.float32)).to(device)
    with torch.no_grad():
        model.module.eval()
        head(model.module(model.pixels(images[:2])).flatten(1))
    parameters = [*model.module.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.lr)
    steps = settings.epochs * -(-len(images) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings.lr, total_steps=steps)
    order = torch.Generator().manual_seed(0)
    model.module.train()
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(images), generator=order).split(settings.batch):
            logits = head(model.module(model.pixels(images[rows.numpy()])).flatten(1))
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[rows.to(device)])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights and dropout from `seed`; the generator outside is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
