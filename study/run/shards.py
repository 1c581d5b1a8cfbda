"""Shards of a study: parts that run side by side without a word to each other, one task of a batch array each.

Which trials are whose follows from the plan alone, not from what is recorded or when a shard starts: no two shards of
one division have a trial in common. Each has a lease of its own, which excludes itself, shards of any other division
and runs of the whole study. The ledger is the only thing that they share.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evenkeel.study.errors import ClusterError, UserError
from evenkeel.study.records.folder import Folder
from evenkeel.study.run.lease import WHOLE_STUDY, Holder, Lease, read_holder, wait_until_free
from evenkeel.study.run.pack_cutting import make_packs
from evenkeel.study.run.pack_sizing import FIRST_PACK_TRIALS
from evenkeel.study.run.signals import Signals
from evenkeel.trainables import Trial

SHARDS_FOLDER = "shards"
SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `num_shards`, counted from 1."""

    number: int
    num_shards: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`3/16`. Raises UserError."""
        match = SHARD.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(f"--shard {text}: must be a number, a stroke and how many shards there are: 1/16 to 16/16")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.num_shards}"

    def select(self, planned: list[Trial]) -> list[Trial]:
        """Its trials of all that are planned: every `num_shards`-th pack of one fixed size."""
        packs = make_packs(planned, FIRST_PACK_TRIALS, self.num_shards)
        return [trial for pack in packs[self.number - 1 :: self.num_shards] for trial in pack]

    def lease_name(self, planned: list[Trial]) -> str:
        """`shards/<division>/3-of-16`; a division is another when the plan is, or the number of shards."""
        plan = hashlib.sha256("".join(trial.id for trial in planned).encode()).hexdigest()[:8]
        return f"{SHARDS_FOLDER}/{plan}-{self.num_shards}/{self.number}-of-{self.num_shards}"


@contextmanager
def hold_shard(folder: Folder, signals: Signals, name: str) -> Iterator[None]:
    """Hold the lease of a shard. Raises UserError while it runs elsewhere, or anything that it excludes."""
    lost = ClusterError(f"{folder.location}: this shard runs elsewhere, since it had fallen silent here")
    with Lease(folder, lambda: signals.fail(lost), name).hold():
        division = name.rpartition("/")[0]
        rivals = [other for other in shard_leases(folder) if other.rpartition("/")[0] != division]
        wait_until_free(folder, [WHOLE_STUDY, *rivals])
        yield


def shard_leases(folder: Folder) -> list[str]:
    """The names of the leases that shards have, or had."""
    files = [file for file in folder.find(SHARDS_FOLDER) if file.endswith(".json")]
    return sorted({file.rpartition("/")[0] for file in files if not file.rpartition("/")[2].startswith(".")})


def read_shards(folder: Folder) -> dict[Shard, Holder]:
    """Who held each shard last, in order; of several divisions the one that was heard of last."""
    divisions: dict[str, dict[Shard, Holder]] = {}
    for name in shard_leases(folder):
        _, division, part = name.split("/")
        if holder := read_holder(folder, name)[1]:
            divisions.setdefault(division, {})[Shard.parse(part.replace("-of-", "/"))] = holder
    latest = max(divisions.values(), key=lambda shards: max(h.heard for h in shards.values()), default={})
    return dict(sorted(latest.items(), key=lambda item: item[0].number))
