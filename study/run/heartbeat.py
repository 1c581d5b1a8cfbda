"""What is at work while nothing ends: one line a minute of silence."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from study.run.background import Background
from study.run.display import rate_text
from study.run.feed import Feed
from study.run.worker import Pack

EVERY_S = 60.0
MOST = 8
"""Packs a line shows."""


class Heartbeat(Background):
    """Says what flies whenever nothing was recorded for `every_s`, until the context ends; `total` trials in all."""

    def __init__(self, feed: Feed, say: Callable[[str], None], total: int, every_s: float = EVERY_S):
        super().__init__("heartbeat")
        self.feed, self.say, self.total, self.every_s = feed, say, total, every_s

    def _work(self) -> None:
        began, first = time.monotonic(), len(self.feed.known)
        known = first
        while not self.over.wait(self.every_s):
            before, known = known, len(self.feed.known)
            if known == before:
                rate = rate_text(known - first, time.monotonic() - began, self.total - known)
                self.say("; ".join([at_work(self.feed.flying, self.feed.since, time.monotonic()), rate]).rstrip("; "))


def at_work(flying: dict[int, Pack], since: dict[int, float], now: float) -> str:
    """`2 packs at work: 64 ral, seed 3, for 0:12:30; 20 bce, 44 apl, seed 4, for 0:01:10`; the oldest first."""
    packs = list(flying.values())
    shown = [f"{_words(pack)}, for {_span(now - since.get(pack.number, now))}" for pack in packs[:MOST]]
    more = [f"{len(packs) - MOST} more"] if len(packs) > MOST else []
    return f"{len(packs)} pack{'s' * (len(packs) != 1)} at work: {'; '.join([*shown, *more])}"


def _words(pack: Pack) -> str:
    counts = Counter(trial.label for trial in pack.trials)
    return f"{', '.join(f'{num} {label}' for label, num in counts.items())}, seed {pack.trials[0].seed}"


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
