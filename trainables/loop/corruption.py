"""Harm done to train rows on purpose: fewer rows, a steeper profile, wrong labels, lost labels. No class loses all."""

import numpy as np

from evenkeel.trainables.data.stratify import carve
from evenkeel.trainables.loop.settings import Knobs


def harmed(rows: np.ndarray, targets: np.ndarray, knobs: Knobs, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows kept, their targets [n, C], their places among the rows [n]) of train rows with targets [N, C]."""
    kept = np.arange(len(rows))
    streams = np.random.default_rng([seed, 2]).spawn(4)  # one a knob, so that one does not move the draws of another
    if knobs.fraction < 1:
        kept = kept[~carve(targets, None, fraction=1 - knobs.fraction, rng=streams[0])]
    if knobs.imbalance:
        kept = kept[_steeper(targets[kept], knobs.imbalance, streams[1])]
    labels = _swapped(targets[kept], knobs.label_noise, streams[2]) if knobs.label_noise else targets[kept]
    return rows[kept], _lost(labels, knobs.missing, streams[3]) if knobs.missing else labels, kept


def _steeper(targets: np.ndarray, imbalance: float, rng: np.random.Generator) -> np.ndarray:
    """A mask of rows such that classes fall exponentially to about n_max / imbalance; exact for one label a row."""
    counts = targets.sum(0, dtype=np.int64)
    rank = np.argsort(np.argsort(-counts, kind="stable"))
    wanted = np.maximum(1, counts.max() * imbalance ** (-rank / max(1, len(counts) - 1))).astype(np.int64)
    kept = np.ones(len(targets), dtype=bool)
    for c in np.argsort(wanted, kind="stable"):
        for row in rng.permutation(np.flatnonzero(targets[:, c])):
            if counts[c] <= wanted[c]:
                break
            rarer = (targets[row] > 0) & (wanted <= wanted[c])
            if kept[row] and np.all(counts[rarer] > wanted[rarer]):  # no rarer class falls below what it wants
                kept[row] = False
                counts -= targets[row]
    return kept


def _swapped(targets: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Some rows get each other's labels: class counts and labels an image stay as they are."""
    chosen = rng.permutation(len(targets))[: round(share * len(targets))]
    noisy = targets.copy()
    noisy[chosen] = targets[np.roll(chosen, 1)]
    return noisy


def _lost(targets: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Some positives become negatives; every class keeps one."""
    lost = targets.copy()
    for c in range(targets.shape[1]):
        positives = rng.permutation(np.flatnonzero(targets[:, c]))
        lost[positives[: min(round(share * len(positives)), len(positives) - 1)], c] = 0
    return lost
