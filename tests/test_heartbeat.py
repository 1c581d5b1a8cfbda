"""A long silence is explained: which packs are at work, for how long, and what is left."""

import time
from dataclasses import replace

from study.run.display import rate_text
from study.run.heartbeat import Heartbeat, at_work
from study.run.worker import Pack, Report
from tests.test_feed import make, planner, score  # noqa: F401
from tests.test_probe import trial


def pack(number, **sizes):
    labels = [label for label, num in sizes.items() for _ in range(num)]
    return Pack(number, [replace(trial(), label=label, seed=number) for label in labels])


def test_the_oldest_pack_is_first_and_many_are_counted():
    assert at_work({3: pack(3, a=2, b=1), 4: pack(4, b=5)}, {3: 100.0, 4: 160.4}, 3700.0) == (
        "2 packs at work: 2 a, 1 b, seed 3, for 1:00:00; 5 b, seed 4, for 0:59:00"
    )
    many = {number: pack(number, a=1) for number in range(11)}
    assert at_work(many, dict.fromkeys(many, 0.0), 0.0).endswith("; 3 more")


def test_time_left_knows_hours_and_slow_trials():
    assert rate_text(2, 60.0, 8) == "2 trials/min, 4:00 left"
    assert rate_text(1, 3600.0, 30) == "0.017 trials/min, 30:00:00 left"


def test_only_silence_is_spoken_of(make):  # noqa: F811
    feed, _, ledger = make(planner())
    said = []
    with Heartbeat(feed, said.append, total=len(feed.planned) * 7, every_s=0.2):
        first = feed.next()
        time.sleep(0.5)
        spoken = len(said)
        scores = {member.id: score(member) for member in first.trials}
        feed.finished(first.number, Report(dict.fromkeys(scores, "done"), scores))
    assert 1 <= spoken <= 3 and said[0].startswith("1 pack at work: ") and "seed" in said[0] and "left" not in said[0]
