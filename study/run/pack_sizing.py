"""How many trials a pack holds where the study does not say: what the first packs took decides, in time and memory."""

from dataclasses import dataclass

from evenkeel.study.run.pack_cutting import cut_failed_pack, cut_row, make_packs, pack_key
from evenkeel.trainables import Trial

FIRST_PACK_TRIALS = 16
"""Trials of a pack before anything was measured."""

MAX_PACK_TRIALS = 1024
PACK_TARGET_S = 30.0
"""A pack should take so long: far longer than it takes to hand it out, not too long to lose when its worker dies."""
ROW_TARGET_S = 2.0
"""The same of trials in a row, which lose nothing that was recorded: the driver hears of them when their pack ends."""
ROW_LIMIT_S = 2 * ROW_TARGET_S
"""After so long a row ends with its running trial: the later ones take longer than those that were measured."""


@dataclass(frozen=True)
class PackCost:
    """What a pack took: seconds a trial, and how many trials would fit into the memory that a worker may use."""

    num_trials: int
    trial_s: float
    fits: int = MAX_PACK_TRIALS


class PackSizing:
    """The size of the packs given out next."""

    target_s = PACK_TARGET_S

    def __init__(self, pack_size: int | None, first: int | None = None) -> None:
        self.fixed, self.size = pack_size, pack_size or first or FIRST_PACK_TRIALS
        self._measured: PackCost | None = None

    def learn(self, cost: PackCost) -> bool:
        """Learn from a pack; True when the size is another now. A larger pack tells more: part of a cost is fixed."""
        if self.fixed or (self._measured and self._tells_less(cost, self._measured)):
            return False
        self._measured = cost
        target = max(1, min(MAX_PACK_TRIALS, cost.fits, int(self.target_s / max(cost.trial_s, 1e-9))))
        if self.size / 2 < target < 2 * self.size and cost.fits >= self.size:
            return False
        changed, self.size = target != self.size, target
        return changed

    def _tells_less(self, cost: PackCost, before: PackCost) -> bool:
        return cost.num_trials < before.num_trials / 2

    def key(self, trial: Trial) -> str:
        """What trials of one pack have in common."""
        return pack_key(trial)

    def cut(self, trials: list[Trial], workers: int) -> list[list[Trial]]:
        """Packs of these trials."""
        return make_packs(trials, self.size, workers)

    def cut_failed(self, trials: list[Trial]) -> list[list[Trial]]:
        """Several trials whose pack ended without them, in parts."""
        return cut_failed_pack(trials)


class RowSizing(PackSizing):
    """The same for trials that run one after the other: any of them may share a pack, and the first holds one."""

    target_s = ROW_TARGET_S

    def __init__(self, pack_size: int | None) -> None:
        super().__init__(pack_size, first=1)

    def _tells_less(self, cost: PackCost, before: PackCost) -> bool:
        return False

    def key(self, trial: Trial) -> str:
        """Nothing."""
        return ""

    def cut(self, trials: list[Trial], workers: int) -> list[list[Trial]]:
        """In their order."""
        return cut_row(trials, self.size, workers)

    def cut_failed(self, trials: list[Trial]) -> list[list[Trial]]:
        """The one that was running when the worker died, and those that were not begun."""
        return [trials[:1], trials[1:]]


def make_sizing(pack_size: int | None, *, one_by_one: bool) -> PackSizing:
    """The sizing of a study: `pack_size` is what its file says, `one_by_one` what its trainable does."""
    return RowSizing(pack_size) if one_by_one else PackSizing(pack_size)
