"""Trials cut into packs: such as can be trained in one pass, or rows of any trials that run one after the other."""

from collections import defaultdict

from evenkeel.trainables import Trial

PACKS_LEFT = 2
"""A row is cut so that each worker still finds so many packs: all of them end at about the same time."""


def make_packs(trials: list[Trial], pack_size: int, workers: int) -> list[list[Trial]]:
    """Packs of about equal size, at most `pack_size` trials, enough of them to occupy all workers.

    The trials of a pack share seed and settings.
    """
    alike: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        alike[pack_key(trial)].append(trial)
    packs = []
    for members in alike.values():
        members.sort(key=lambda t: (t.loss, t.label, t.id))
        num_packs = max(-(-len(members) // pack_size), -(-workers // len(alike)))
        size = -(-len(members) // num_packs)
        packs += [members[start : start + size] for start in range(0, len(members), size)]
    return packs


def pack_key(trial: Trial) -> str:
    """What trials of one pack have in common."""
    return f"{trial.seed} {sorted(trial.settings.items())}"


def cut_row(trials: list[Trial], pack_size: int, workers: int) -> list[list[Trial]]:
    """Packs of at most `pack_size` trials, whatever these are, in their order; the last ones are smaller."""
    packs, start = [], 0
    while start < len(trials):
        share = -(-(len(trials) - start) // (PACKS_LEFT * workers))
        packs.append(trials[start : start + min(pack_size, share)])
        start += len(packs[-1])
    return packs


def cut_failed_pack(trials: list[Trial]) -> list[list[Trial]]:
    """A failed pack in parts: one a loss, since mostly one loss is to blame; trials of one loss in halves."""
    by_label: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_label[trial.label].append(trial)
    half = len(trials) // 2
    return list(by_label.values()) if len(by_label) > 1 else [trials[:half], trials[half:]]
