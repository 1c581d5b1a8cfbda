"""Where a trial stands, on disk: it goes on from there after a lost worker and ends with the same numbers."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

State = dict[str, object]


@dataclass
class Checkpoint:
    """One file, written under another name and renamed; at most every `minutes`."""

    path: Path
    minutes: float
    saved: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether the last one is old enough."""
        return time.monotonic() - self.saved >= 60 * self.minutes

    def save(self, state: State) -> None:
        """Replace what is there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{os.getpid()}.{self.path.name}")
        torch.save(state, temporary)
        temporary.replace(self.path)
        self.saved = time.monotonic()

    def load(self, device: str) -> State | None:
        """What was saved last, or None."""
        return torch.load(self.path, map_location=device, weights_only=True) if self.path.exists() else None
