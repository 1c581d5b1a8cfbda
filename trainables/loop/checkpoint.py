"""Where a long trial stands, written whole or not at all, so that another worker goes on from it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evenkeel.trainables.cache import replacing

NAME = "checkpoint.pt"

MINUTES = 1.0
"""So much work is lost at most where training that others wait for is killed."""


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
        """Replace the last checkpoint. Raises OSError for a full disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / NAME) as temporary, temporary.open("wb") as file:
            try:
                torch.save(state, file)
            except RuntimeError as error:  # torch's own words stand before what the file said
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        self.last = time.monotonic()


@dataclass(frozen=True)
class Training:
    """Training of what trials share: the states of all that moves (modules, optimisers), and torch's generators."""

    checkpoints: Checkpoints
    moving: tuple[Any, ...]

    def save_when_due(self, step: int) -> None:
        """So many steps are done; where that is long not saved, save it."""
        if self.checkpoints.due:
            self.save(step)

    def save(self, step: int) -> None:
        """So many steps are done."""
        gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        states = [part.state_dict() for part in self.moving]
        self.checkpoints.save({"step": step, "states": states, "generators": [torch.get_rng_state(), *gpu]})

    def resumed(self) -> int:
        """Stand where it was last saved; returns how many steps are done."""
        saved = self.checkpoints.read("cpu")
        if saved is None:
            return 0
        for part, state in zip(self.moving, saved["states"], strict=True):
            part.load_state_dict(state)
        cpu, *gpu = saved["generators"]
        torch.set_rng_state(cpu)
        torch.cuda.set_rng_state_all(gpu)
        return int(saved["step"])
