"""Which values a few images of a data set use, so that pictures that are nearly black do not go unnoticed."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.intensity import Window, ends
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.data.pixels import BadImage, file_values
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.errors import TrainableError

NUM_IMAGES_LOOKED_AT = 8

DARK_SHARE = 0.25
"""Images whose largest value is below this share of what is shown as white are nearly black."""


@dataclass(frozen=True)
class ValueRange:
    """The values of some images: how many, the smallest and largest, and what becomes black and white of them."""

    num_images: int
    low: float
    high: float
    black: float
    white: float
    window: Window

    def __str__(self) -> str:
        return (
            f"values {_number(self.low)} to {_number(self.high)} in {plural(self.num_images, 'image')} looked at, "
            f"{_number(self.black)} to {_number(self.white)} become black to white (intensity: {_written(self.window)})"
        )

    @property
    def usual(self) -> bool:
        """Whether these are pictures of 8 bits, shown as they are."""
        return self.window == "full" and (self.black, self.white) == (0, 255)

    def oddity(self) -> Oddity | None:
        """What is odd about images that use little of what is shown, and which key settles it."""
        share = (self.high - self.black) / (self.white - self.black) if self.white > self.black else 1.0
        if share >= DARK_SHARE:
            return None
        bits = int(np.ceil(np.log2(max(2.0, self.high + 1))))
        return Oddity(
            f"images are nearly black: values up to {_number(self.high)} of {_number(self.white)} ({share:.0%}); give "
            f"range, percentile or [0, {2**bits - 1}]",
            "intensity",
        )


def look_at(files: Sequence[ImageFile], window: Window) -> tuple[ValueRange | None, Oddity | None]:
    """The values of a few of the files, evenly chosen, None where none can be read; what to say of those."""
    chosen = files[:: max(1, len(files) // NUM_IMAGES_LOOKED_AT)][:NUM_IMAGES_LOOKED_AT]
    ranges, problems = [], []
    for file in chosen:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values, full = file_values(file)
        except (BadImage, TrainableError) as error:
            problems.append(f"{file.name}: {error}")
            continue
        black, white = ends(values, window, full)
        ranges.append((float(values.min()), float(values.max()), black, white))
    text = f"{len(problems)} of {plural(len(chosen), 'image')} looked at cannot be used ({first_few(problems, 1)})"
    odd = Oddity(text, "on_bad_image") if problems else None
    if not ranges:
        return None, odd
    lows, highs, blacks, whites = zip(*ranges, strict=True)
    return ValueRange(len(ranges), min(lows), max(highs), min(blacks), max(whites), window), odd


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def _written(window: Window) -> str:
    return window if isinstance(window, str) else f"[{_number(window[0])}, {_number(window[1])}]"
