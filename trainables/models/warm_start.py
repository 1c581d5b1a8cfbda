"""BCE before freezing: the backbone sees the train rows, then is frozen (decoupled training, Kang et al. 2020)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.data.sampling import batches_of
from evenkeel.trainables.loop.checkpoint import MINUTES, Checkpoints, Training
from evenkeel.trainables.models.build import ImageModel
from evenkeel.trainables.models.settings import WarmStart
from evenkeel.trainables.progress import progress
from evenkeel.trainables.random_streams import stream_seed


def warm_start(
    model: ImageModel,
    images: ImageArray,
    targets: np.ndarray,
    fitted: np.ndarray,
    settings: WarmStart,
    notes: Path,
    label_mask: np.ndarray | None = None,
    seed: int = 0,
) -> None:
    """Train `model` in place on the rows `fitted` of images [N, S, S, channels] uint8 and targets [N, C] 0/1.

    A linear head is trained with it. Entries outside of `label_mask` [N, C] have no part in the loss. `seed` draws the
    order of the rows. In the folder `notes` of the cache it is left where it stands, to go on there after a kill.
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
    batches = _batches(len(fitted), settings, seed)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings.lr, total_steps=len(batches))
    training = Training(Checkpoints(notes, MINUTES), (model.module, head, optimiser, schedule))
    model.module.train()
    with progress(notes.parent, "warm start, steps", len(batches)) as show:
        for step in range(training.resumed(), len(batches)):
            show(step)
            rows, *following = batches[step : step + 2]
            pixels = model.pixels(reader(fitted[rows.numpy()], *(fitted[later.numpy()] for later in following)))
            logits = head(model.module(pixels).flatten(1))
            rows = rows.to(device)
            loss = _bce(logits, labels[rows], None if mask is None else mask[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            training.save_when_due(step + 1)
    training.save(len(batches))  # trained again it might round otherwise than for the features that lie there


def _batches(num_rows: int, settings: WarmStart, seed: int) -> list[torch.Tensor]:
    """Places [B] among the fitted rows of every step of all epochs."""
    order = torch.Generator().manual_seed(stream_seed(seed, "pretraining"))
    orders = [torch.randperm(num_rows, generator=order) for _ in range(settings.epochs)]
    return [batch for rows in orders for batch in batches_of(rows, settings.batch)]


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
