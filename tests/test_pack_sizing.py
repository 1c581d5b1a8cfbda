"""The size of packs where the study does not say: by what the first ones took."""

import pytest

from evenkeel.study.run.pack import PackReport
from evenkeel.study.run.pack_sizing import FIRST_PACK_TRIALS, MAX_PACK_TRIALS, PACK_TARGET_S, PackCost, PackSizing
from evenkeel.trainables.resources import MemoryUse
from tests.test_pack_queue import make, planner, score  # noqa: F401


@pytest.mark.parametrize(
    ("cost", "size"),
    [
        (PackCost(FIRST_PACK_TRIALS, 1e-6), MAX_PACK_TRIALS),
        (PackCost(FIRST_PACK_TRIALS, PACK_TARGET_S / 200), 200),
        (PackCost(FIRST_PACK_TRIALS, PACK_TARGET_S / 20), FIRST_PACK_TRIALS),  # nearly what it is: nothing is cut anew
        (PackCost(FIRST_PACK_TRIALS, PACK_TARGET_S / 3), 3),
        (PackCost(FIRST_PACK_TRIALS, 10 * PACK_TARGET_S), 1),
        (PackCost(FIRST_PACK_TRIALS, 1e-6, fits=40), 40),
        (
            PackCost(FIRST_PACK_TRIALS, 1e-6, fits=FIRST_PACK_TRIALS - 1),
            FIRST_PACK_TRIALS - 1,
        ),  # memory is no matter of nearly
        (PackCost(FIRST_PACK_TRIALS, 1e-6, fits=0), 1),
    ],
)
def test_a_pack_takes_its_time_and_fits_into_memory(cost, size):
    sizing = PackSizing(None)
    assert sizing.learn(cost) == (size != FIRST_PACK_TRIALS) and sizing.size == size


def test_a_given_size_stays():
    sizing = PackSizing(7)
    assert not sizing.learn(PackCost(7, 1e-6)) and sizing.size == 7


def test_a_larger_pack_tells_more_than_a_smaller_one():
    """Of 16 trials most of the cost was fixed; a leftover pack of two says nothing new."""
    sizing = PackSizing(None)
    sizing.learn(PackCost(16, PACK_TARGET_S / 100))
    sizing.learn(PackCost(100, PACK_TARGET_S / 800))
    assert sizing.size == 800 and not sizing.learn(PackCost(2, PACK_TARGET_S)) and sizing.size == 800


@pytest.mark.parametrize(("trial_s", "longest"), [(1e-6, MAX_PACK_TRIALS), (PACK_TARGET_S / 2, 2)])
def test_what_is_left_is_cut_anew_and_every_trial_is_given_out_once(make, trial_s, longest):  # noqa: F811
    plan = planner()
    queue, recorder = make(plan, pack_size=None)
    sizes = []
    while not queue.done:
        pack = queue.next_pack()
        sizes.append(len(pack.trials))
        scores = {member.id: score(member) for member in pack.trials}
        cost = PackCost(len(pack.trials), trial_s)
        queue.finish(pack.number, PackReport(dict.fromkeys(scores, "done"), scores, cost=cost))
    assert sizes[0] <= FIRST_PACK_TRIALS and max(sizes[1:]) <= longest and queue.sizing.size == longest
    assert max(recorder.added.values()) == 1 and {t.id for t in plan.planned()} <= set(recorder.added)


def test_memory_is_what_is_taken_at_once():
    """Two arrays of 64 MiB, one after the other, take 64; one that is kept from before takes none."""
    kept = bytearray(b"x") * (64 << 20)
    use = MemoryUse("cpu")
    for _ in range(2):
        del_me = bytearray(b"x") * (64 << 20)
        del del_me
    assert 60 << 20 < use.peak() < 80 << 20 and kept
