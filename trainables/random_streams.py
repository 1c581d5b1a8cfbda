"""Every random draw of a trial comes from a named stream of a seed, and from nothing else.

Streams of other names, or of other numbers of one name (an epoch, a step), are independent: one that is drawn from more
often, or not at all, moves no draw of another. Which trials share a seed says `evenkeel.trainables.seeds`; the loss is
never part of it, so that losses are compared over the same draws. Source: numpy's SeedSequence with a spawn key.
"""

import zlib
from typing import Literal, get_args

import numpy as np

Stream = Literal[
    "init",  # weights of a head, a classifier, a context
    "order",  # of the train rows; number: the epoch
    "augmentation",  # of the images of an epoch; number: the epoch
    "step",  # augmentation and dropout; numbers: where the step stands
    "captions",  # which sentence of each image; number: the epoch
    "loss",  # of a loss that draws
    "split",  # validation rows carved from train
    "train_rows",  # their bootstrap
    "train_part",  # which disjoint part each of them lies in
    "fraction", "imbalance", "label_noise", "missing",  # one a knob of corruption
    "backbone",  # weights that are not given
    "pretraining",  # order and dropout while a backbone is fitted
    "image_groups",  # of the test images
    "noise",  # on test images; numbers: the kind, the row
    "gradients",  # order of the batches whose gradients are measured
]  # fmt: skip
STREAMS: tuple[Stream, ...] = get_args(Stream)


def stream(seed: int, name: Stream, *numbers: int) -> np.random.Generator:
    """numpy's generator of a named stream."""
    return np.random.default_rng(_sequence(seed, name, numbers))


def stream_seed(seed: int, name: Stream, *numbers: int) -> int:
    """The seed of a named stream for a generator of torch, in [0, 2^63)."""
    return int(_sequence(seed, name, numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _sequence(seed: int, name: Stream, numbers: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), *numbers))
