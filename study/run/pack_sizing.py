"""How many trials a pack holds where the study does not say: what the first packs took decides, in time and memory."""

from dataclasses import dataclass

FIRST = 16
"""Trials of a pack before anything was measured."""

MOST = 1024
PACK_S = 30.0
"""A pack should take so long: far longer than it takes to hand it out, not too long to lose when its worker dies."""


@dataclass(frozen=True)
class Cost:
    """What a pack took: seconds a trial, and how many trials would fit into the memory that a worker may use."""

    num_trials: int
    trial_s: float
    fits: int = MOST


class Sizing:
    """The size of the packs given out next."""

    def __init__(self, given: int | None) -> None:
        self.given, self.size = given, given or FIRST
        self._measured: Cost | None = None

    def heard(self, cost: Cost) -> bool:
        """Learn from a pack; True when the size is another now. A larger pack tells more: part of a cost is fixed."""
        if self.given or (self._measured and cost.num_trials < self._measured.num_trials / 2):
            return False
        self._measured = cost
        wanted = max(1, min(MOST, cost.fits, int(PACK_S / max(cost.trial_s, 1e-9))))
        if self.size / 2 < wanted < 2 * self.size and cost.fits >= self.size:
            return False
        changed, self.size = wanted != self.size, wanted
        return changed
