"""Where a long trial stands, written whole or not at all, so that another worker goes on from it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evenkeel.trainables.cache import replacing

NAME = "checkpoint.pt"


@dataclass
class Checkpoints:
    """Checkpoints of one trial in its folder, at most one every so many minutes."""

    folder: Path
    minutes: float
    last: float = field(default_factory=time.monotonic)

    def read(self, device: str) -> dict[str, Any] | None:
        """What was last saved, or None."""
        path = self.folder / NAME
        return torch.load(path, map_location=device, weights_only=True) if path.exists() else None

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self.last >= 60 * self.minutes

    def save(self, state: dict[str, Any]) -> None:
        """Replace the last checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / NAME) as temporary:
            torch.save(state, temporary)
        self.last = time.monotonic()
