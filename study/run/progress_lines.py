"""What is at work while nothing ends: one line a minute of silence, and one a host with GPUs."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from evenkeel.study.run.background import Background
from evenkeel.study.run.display import rate_text
from evenkeel.study.run.host_status import Host
from evenkeel.study.run.pack_queue import Feed
from evenkeel.study.run.worker import Pack

EVERY_S = 60.0
MOST = 8
"""Packs that a line shows, and lines of hosts."""


class Heartbeat(Background):
    """Says what flies whenever nothing was recorded for `every_s`, until the context ends; `total` trials in all.

    `hosts` asks every node what it does.
    """

    def __init__(
        self,
        feed: Feed,
        say: Callable[[str], None],
        total: int,
        hosts: Callable[[], list[Host]],
        every_s: float = EVERY_S,
    ) -> None:
        super().__init__("heartbeat")
        self.feed, self.say, self.total, self.hosts, self.every_s = feed, say, total, hosts, every_s

    def _work(self) -> None:
        began, first = time.monotonic(), len(self.feed.known)
        known = first
        while not self.over.wait(self.every_s):
            before, known = known, len(self.feed.known)
            if known == before:
                now, hosts = time.monotonic(), self.hosts()
                rate = rate_text(known - first, now - began, self.total - known)
                self.say("; ".join([at_work(self.feed.flying, self.feed.since, now, hosts), rate]).rstrip("; "))
                for host in hosts[:MOST]:
                    if host.gpus:
                        self.say(f"  {host.name}: {'; '.join(host.gpus)}")


def at_work(flying: dict[int, Pack], since: dict[int, float], now: float, hosts: list[Host]) -> str:
    """`2 packs at work: 64 ral, seed 3, on left, for 0:12:30; 20 bce, 44 apl, seed 4, on right, for 0:01:10`; the
    oldest first, of several hosts which one, and how many packs no host has: they wait for room."""
    packs, several = list(flying.values()), len({host.name for host in hosts}) > 1
    found = {number: host.name for host in hosts for number in host.packs}
    where = {number: f", on {name}" for number, name in found.items() if several}
    waiting = len([number for number in flying if number not in found]) if hosts else 0
    num = len(packs) - waiting
    heading = f"{num} pack{'s' * (num != 1)} at work" + (f", {waiting} seen on no node" if waiting else "")
    shown = [
        f"{_words(pack)}{where.get(pack.number, '')}, for {_span(now - since.get(pack.number, now))}"
        for pack in packs[:MOST]
    ]
    more = [f"{len(packs) - MOST} more"] if len(packs) > MOST else []
    return f"{heading}: {'; '.join([*shown, *more])}"


def _words(pack: Pack) -> str:
    counts = Counter(trial.label for trial in pack.trials)
    return f"{', '.join(f'{num} {label}' for label, num in counts.items())}, seed {pack.trials[0].seed}"


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
