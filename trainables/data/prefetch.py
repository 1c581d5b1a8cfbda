"""Images in the order in which they are asked for: the next rows are read, or decoded, while these are used."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.data.image_set import ImageArray


class Reader:
    """Rows of images as tensors [B, S, S, channels] uint8, in memory that a GPU copies from while it computes."""

    def __init__(self, images: ImageArray, device: torch.device | str) -> None:
        self.images, self.pinned = images, torch.device(device).type == "cuda"
        self._ahead: tuple[bytes, Future[Tensor]] | None = None

    def __call__(self, rows: np.ndarray, then: np.ndarray | None = None) -> Tensor:
        """The images of `rows` [B]; those of `then` are asked for next."""
        ahead, self._ahead = self._ahead, None
        images = ahead[1].result() if ahead and ahead[0] == rows.tobytes() else self._read(rows)
        if then is not None and len(then):
            self._ahead = then.tobytes(), _thread(os.getpid()).submit(self._read, then)
        return images

    def batches(self, rows: np.ndarray, size: int) -> Iterator[Tensor]:
        """The images of `rows` [N], `size` at a time."""
        for start in range(0, len(rows), size):
            yield self(rows[start : start + size], rows[start + size : start + 2 * size])

    def _read(self, rows: np.ndarray) -> Tensor:
        images = torch.from_numpy(np.ascontiguousarray(self.images[rows]))
        return images.pin_memory() if self.pinned else images


@cache
def _thread(process: int) -> ThreadPoolExecutor:
    """Reads ahead for this process; a forked one has its own."""
    return ThreadPoolExecutor(max_workers=1)
