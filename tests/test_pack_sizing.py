"""The size of packs where the study does not say: by what the first ones took."""

import pytest

from evenkeel.study.run.pack_sizing import FIRST, MOST, PACK_S, Cost, Sizing
from evenkeel.study.run.worker import Report
from evenkeel.trainables.resources import MemoryUse
from tests.test_pack_queue import make, planner, score  # noqa: F401


@pytest.mark.parametrize(
    ("cost", "size"),
    [
        (Cost(FIRST, 1e-6), MOST),
        (Cost(FIRST, PACK_S / 200), 200),
        (Cost(FIRST, PACK_S / 20), FIRST),  # nearly what it is: nothing is cut anew
        (Cost(FIRST, PACK_S / 3), 3),
        (Cost(FIRST, 10 * PACK_S), 1),
        (Cost(FIRST, 1e-6, fits=40), 40),
        (Cost(FIRST, 1e-6, fits=FIRST - 1), FIRST - 1),  # memory is no matter of nearly
        (Cost(FIRST, 1e-6, fits=0), 1),
    ],
)
def test_a_pack_takes_its_time_and_fits_into_memory(cost, size):
    sizing = Sizing(None)
    assert sizing.heard(cost) == (size != FIRST) and sizing.size == size


def test_a_given_size_stays():
    sizing = Sizing(7)
    assert not sizing.heard(Cost(7, 1e-6)) and sizing.size == 7


def test_a_larger_pack_tells_more_than_a_smaller_one():
    """Of 16 trials most of the cost was fixed; a leftover pack of two says nothing new."""
    sizing = Sizing(None)
    sizing.heard(Cost(16, PACK_S / 100))
    sizing.heard(Cost(100, PACK_S / 800))
    assert sizing.size == 800 and not sizing.heard(Cost(2, PACK_S)) and sizing.size == 800


@pytest.mark.parametrize(("trial_s", "longest"), [(1e-6, MOST), (PACK_S / 2, 2)])
def test_what_is_left_is_cut_anew_and_every_trial_is_given_out_once(make, trial_s, longest):  # noqa: F811
    plan = planner()
    feed, seen, _ = make(plan, pack_size=None)
    sizes = []
    while not feed.over:
        pack = feed.next()
        sizes.append(len(pack.trials))
        scores = {member.id: score(member) for member in pack.trials}
        cost = Cost(len(pack.trials), trial_s)
        feed.finished(pack.number, Report(dict.fromkeys(scores, "done"), scores, cost=cost))
    assert sizes[0] <= FIRST and max(sizes[1:]) <= longest and feed.sizing.size == longest
    assert max(seen.values()) == 1 and {t.id for t in plan.planned()} <= set(seen)


def test_memory_is_what_is_taken_at_once():
    """Two arrays of 64 MiB, one after the other, take 64; one that is kept from before takes none."""
    kept = bytearray(b"x") * (64 << 20)
    use = MemoryUse("cpu")
    for _ in range(2):
        del_me = bytearray(b"x") * (64 << 20)
        del del_me
    assert 60 << 20 < use.peak() < 80 << 20 and kept
