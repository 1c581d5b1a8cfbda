"""How many trials a pack holds where the study does not say: what the first packs took decides, in time and memory."""

from dataclasses import dataclass

FIRST_PACK_TRIALS = 16
"""Trials of a pack before anything was measured."""

MAX_PACK_TRIALS = 1024
PACK_TARGET_S = 30.0
"""A pack should take so long: far longer than it takes to hand it out, not too long to lose when its worker dies."""


@dataclass(frozen=True)
class PackCost:
    """What a pack took: seconds a trial, and how many trials would fit into the memory that a worker may use."""

    num_trials: int
    trial_s: float
    fits: int = MAX_PACK_TRIALS


class PackSizing:
    """The size of the packs given out next."""

    def __init__(self, pack_size: int | None) -> None:
        self.fixed, self.size = pack_size, pack_size or FIRST_PACK_TRIALS
        self._measured: PackCost | None = None

    def learn(self, cost: PackCost) -> bool:
        """Learn from a pack; True when the size is another now. A larger pack tells more: part of a cost is fixed."""
        if self.fixed or (self._measured and cost.num_trials < self._measured.num_trials / 2):
            return False
        self._measured = cost
        target = max(1, min(MAX_PACK_TRIALS, cost.fits, int(PACK_TARGET_S / max(cost.trial_s, 1e-9))))
        if self.size / 2 < target < 2 * self.size and cost.fits >= self.size:
            return False
        changed, self.size = target != self.size, target
        return changed
