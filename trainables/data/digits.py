"""digits-mlt: real handwritten digits composed into long-tailed multi-label scenes, offline, in seconds.

Only whole-number arithmetic and PCG64 decide a pixel, so the bytes are the same on every machine.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import SWITCH

SCENE_SEED = 0
CANVAS_SIDE = 32
NUM_SCENES = {"train": 4000, "val": 1000, "test": 2000}
POOL_SHARES = {"train": (0, 60), "val": (60, 75), "test": (75, 100)}
"""Percent of each digit's 1,797 / 10 originals; a digit image lives in one split only."""

TRAIN_COUNTS = (3000, 1720, 987, 566, 324, 186, 107, 61, 35, 20)
HEAD_TO_TAIL = (5, 3, 0, 4, 2, 6, 7, 9, 8, 1)
"""Pareto profile of the training scenes (imbalance 150), and the digits to which it is given."""

MAX_DIGITS = 4


class DigitsMlt(DataSettings):
    """Scenes of one to four digits on a 32 x 32 grey canvas; target: which of the ten digits are present."""

    name: Literal["digits-mlt"] = "digits-mlt"
    composition: Annotated[int, SWITCH] = Field(
        0, ge=0, description="another number: other scenes of the same digits, class counts drawn about the profile"
    )

    @property
    def validation(self) -> None:
        """The split is fixed: the digits were divided before the scenes were composed."""
        return None

    def fingerprint(self) -> str:
        return f"digits-mlt-v1-seed{SCENE_SEED}" + (f"-composition{self.composition}" if self.composition else "")

    def load(self, image_size: int, cache: Path) -> ImageSet:
        if image_size != CANVAS_SIDE:
            raise TrainableError(f"trainable.image_size: digits-mlt is {CANVAS_SIDE} pixels wide, got {image_size}")
        rng, counts = np.random.default_rng(SCENE_SEED), TRAIN_COUNTS
        pools = _pools(rng)
        if self.composition:
            rng = np.random.default_rng([SCENE_SEED, 2, self.composition])
            counts = tuple(rng.poisson(TRAIN_COUNTS).clip(1).tolist())
        targets = {
            "train": _tailed_targets(rng, counts),
            "val": _flat_targets(rng, 1000),
            "test": _flat_targets(rng, 2000),
        }
        images = [_scene(rng, row, pools[split]) for split in targets for row in targets[split]]
        sizes = [len(targets[split]) for split in targets]
        return ImageSet(
            images=np.stack(images)[..., None],
            targets=np.concatenate(list(targets.values())),
            split=np.repeat(np.arange(3, dtype=np.uint8), sizes),
            group=None,
            classes=[str(digit) for digit in range(10)],
        )


def balanced_scenes(num: int) -> tuple[np.ndarray, np.ndarray]:
    """`num` fresh scenes, images [num, 32, 32, 1] and targets [num, 10], all digits about equally frequent.

    Drawn from the originals of the train split alone, so that nothing of validation or test is seen.
    """
    pool = _pools(np.random.default_rng(SCENE_SEED))["train"]
    rng = np.random.default_rng([SCENE_SEED, 1])
    targets = _flat_targets(rng, num)
    return np.stack([_scene(rng, row, pool) for row in targets])[..., None], targets


def _pools(rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """Per split, per digit: the originals [n, 8, 8] in 0..16 that may appear there."""
    from sklearn.datasets import load_digits

    originals = load_digits()
    by_digit = [rng.permutation(np.flatnonzero(originals.target == d)) for d in range(10)]
    images = originals.images.astype(np.int64)
    return {
        split: [images[rows[len(rows) * low // 100 : len(rows) * high // 100]] for rows in by_digit]
        for split, (low, high) in POOL_SHARES.items()
    }


def _tailed_targets(rng: np.random.Generator, counts: tuple[int, ...]) -> np.ndarray:
    """[4000, 10]: exact counts, of HEAD_TO_TAIL. Rare digits are placed first, mostly where room for others is left."""
    order = HEAD_TO_TAIL
    num = NUM_SCENES["train"]
    room = 1 + rng.choice(MAX_DIGITS, size=num, p=(0.30, 0.38, 0.22, 0.10))
    targets = np.zeros((num, 10), dtype=np.uint8)
    rng.permutation(10)  # once drew HEAD_TO_TAIL; the draws after it are as they were
    for digit, count in reversed(list(zip(order, counts, strict=True))):
        weight = room * room.astype(float)
        rows = rng.choice(num, size=min(count, int((room > 0).sum())), replace=False, p=weight / weight.sum())
        targets[rows, digit] = 1
        room[rows] -= 1
    targets[targets.sum(1) == 0, order[0]] = 1
    return targets


def _flat_targets(rng: np.random.Generator, num: int) -> np.ndarray:
    """[num, 10]: one to four digits, all about equally frequent."""
    targets = np.zeros((num, 10), dtype=np.uint8)
    sizes = 1 + rng.choice(MAX_DIGITS, size=num, p=(0.30, 0.38, 0.22, 0.10))
    for row, size in enumerate(sizes):
        targets[row, rng.permutation(10)[:size]] = 1
    return targets


def _scene(rng: np.random.Generator, labels: np.ndarray, pool: list[np.ndarray]) -> np.ndarray:
    """One canvas [32, 32] uint8: the labelled digits at random places, sizes and contrasts, over mild noise."""
    canvas = rng.integers(0, 25, size=(CANVAS_SIDE, CANVAS_SIDE))
    for digit in rng.permutation(np.flatnonzero(labels)):
        original = pool[digit][rng.integers(len(pool[digit]))]
        side = int(rng.integers(11, 18))
        top, left = rng.integers(0, CANVAS_SIDE - side + 1, size=2)
        contrast = int(rng.integers(90, 231))
        patch = _enlarge(original, side) * contrast // 1024
        window = canvas[top : top + side, left : left + side]
        np.maximum(window, patch, out=window)
    return canvas.clip(0, 255).astype(np.uint8)


def _enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """Bilinear enlargement of [8, 8] in 0..16 to [side, side] in 0..1024, in whole numbers."""
    position = (np.arange(side) * 7 * 64) // (side - 1)
    low = np.minimum(position // 64, 6)
    remainder = position - 64 * low
    rows = image[low] * (64 - remainder)[:, None] + image[low + 1] * remainder[:, None]
    blend = rows[:, low] * (64 - remainder) + rows[:, low + 1] * remainder
    return blend // 64
