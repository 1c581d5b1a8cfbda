"""What is at work while nothing ends: one line a minute of silence, and one a host that tells of more."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from evenkeel.study.background import Background
from evenkeel.study.run.display import Progress
from evenkeel.study.run.host_status import HostStatus
from evenkeel.study.run.pack import Pack
from evenkeel.study.run.pack_queue import PackQueue

SILENCE_S = 60.0
MAX_LINES = 8
"""Packs that a line shows, lines of hosts, and trials of each."""


class ProgressLines(Background):
    """Says what is in flight whenever nothing was recorded for `every_s`, until the context ends; `total` trials in
    all. `ask_hosts` asks every node what it does.
    """

    def __init__(
        self,
        queue: PackQueue,
        say: Callable[[str], None],
        total: int,
        ask_hosts: Callable[[], list[HostStatus]],
        every_s: float = SILENCE_S,
    ) -> None:
        super().__init__("progress")
        self.queue, self.say, self.total, self.ask_hosts, self.every_s = queue, say, total, ask_hosts, every_s

    def _work(self) -> None:
        began, first = time.monotonic(), len(self.queue.outcomes)
        recorded = first
        while not self.over.wait(self.every_s):
            before, recorded = recorded, len(self.queue.outcomes)
            if recorded == before:
                now = time.monotonic()
                self._say_silence(Progress(self.total, recorded, recorded - first, now - began), now)

    def _say_silence(self, progress: Progress, now: float) -> None:
        hosts = self.ask_hosts()
        packs = describe_packs(self.queue.in_flight, self.queue.started_at, now, hosts)
        self.say("; ".join([packs, progress.rate]).rstrip("; "))
        for host in hosts[:MAX_LINES]:
            if details := [*host.making, *host.gpus]:
                self.say(f"  {host.name}: {'; '.join(details)}")


def describe_packs(
    in_flight: dict[int, Pack], started_at: dict[int, float], now: float, hosts: list[HostStatus]
) -> str:
    """`2 packs at work: 64 ral, seed 3, on left, for 0:12:30; 20 bce, 44 apl, seed 4, on right, for 0:01:10`; the
    oldest first, of several hosts which one, and how many packs no host has: they wait for room."""
    packs, several = list(in_flight.values()), len({host.name for host in hosts}) > 1
    host_names = {number: host.name for host in hosts for number in host.packs}
    suffixes = {number: f", on {name}" for number, name in host_names.items() if several}
    waiting = len([number for number in in_flight if number not in host_names]) if hosts else 0
    num = len(packs) - waiting
    heading = f"{num} pack{'s' * (num != 1)} at work" + (f", {waiting} seen on no node" if waiting else "")
    lines = [
        f"{_describe_pack(pack)}{suffixes.get(pack.number, '')}, for {_span(now - started_at.get(pack.number, now))}"
        for pack in packs[:MAX_LINES]
    ]
    more = [f"{len(packs) - MAX_LINES} more"] if len(packs) > MAX_LINES else []
    return f"{heading}: {'; '.join([*lines, *more])}"


def _describe_pack(pack: Pack) -> str:
    counts, seeds = Counter(trial.label for trial in pack.trials), {trial.seed for trial in pack.trials}
    words = ", ".join(f"{num} {label}" for label, num in counts.items())
    return f"{words}, seed {min(seeds)}" if len(seeds) == 1 else f"{words}, {len(seeds)} seeds"


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
