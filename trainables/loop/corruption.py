"""Harm done to train rows on purpose: fewer rows, a steeper profile, wrong labels, lost labels. No class loses all."""

import numpy as np

from evenkeel.trainables.data.stratify import carve
from evenkeel.trainables.loop.settings import Knobs
from evenkeel.trainables.random_streams import stream


def corrupt(
    rows: np.ndarray, targets: np.ndarray, knobs: Knobs, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows kept [n], their targets [n, C], their positions [n]) of train rows [N] with targets [N, C] of 0 and 1."""
    kept = np.arange(len(rows))
    if knobs.fraction < 1:
        kept = kept[~carve(targets, None, fraction=1 - knobs.fraction, rng=stream(seed, "fraction"))]
    if knobs.imbalance:
        kept = kept[_steeper(targets[kept], knobs.imbalance, stream(seed, "imbalance"))]
    labels = targets[kept]
    if knobs.label_noise:
        labels = _swapped(labels, knobs.label_noise, stream(seed, "label_noise"))
    if knobs.missing:
        labels = _lost(labels, knobs.missing, stream(seed, "missing"))
    return rows[kept], labels, kept


def _steeper(targets: np.ndarray, imbalance: float, rng: np.random.Generator) -> np.ndarray:
    """A mask of rows such that classes fall exponentially to about n_max / imbalance; exact for one label a row."""
    counts = targets.sum(0, dtype=np.int64)
    rank = np.argsort(np.argsort(-counts, kind="stable"))
    aims = np.maximum(1, counts.max() * imbalance ** (-rank / max(1, len(counts) - 1))).astype(np.int64)
    kept = np.ones(len(targets), dtype=bool)
    for c in np.argsort(aims, kind="stable"):
        for row in rng.permutation(np.flatnonzero(targets[:, c])):
            if counts[c] <= aims[c]:
                break
            rarer = (targets[row] > 0) & (aims <= aims[c])
            if kept[row] and np.all(counts[rarer] > aims[rarer]):  # no rarer class falls below what it wants
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
