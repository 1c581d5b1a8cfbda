"""From the values of an image file to 256 levels: which range of them becomes black to white."""

import struct
from functools import lru_cache
from typing import Literal

import numpy as np

Window = Literal["full", "range", "percentile"] | tuple[float, float]
"""full: all that the file's format can hold (of DICOM its own window); range: from the smallest to the largest value of
the file; percentile: from its PERCENTILES; or two values, the same for every file."""

PERCENTILES = (0.5, 99.5)

SAMPLES_PER_PIXEL = 277
"""The tag of a TIFF that says how many bands it has."""


def scaled(values: np.ndarray, window: Window, full: tuple[float, float]) -> np.ndarray:
    """Values of any shape as uint8 of that shape: the ends of the window become 0 and 255, what lies outside is cut.

    `full` are the ends of what the format can hold. An image of one value is black.
    """
    low, high = ends(values, window, full)
    if values.dtype in (np.uint16, np.int16):
        return _levels(values.dtype.char, low, high)[values.view(np.uint16)]
    return _scaled(values, low, high)


@lru_cache(maxsize=4)
def _levels(kind: str, low: float, high: float) -> np.ndarray:
    """What each value of 16 bits becomes, [65536] by its bits: files of one window are looked up, not computed."""
    return _scaled(np.arange(65536, dtype=np.uint16).view(kind), low, high)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    return np.rint(np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def ends(values: np.ndarray, window: Window, full: tuple[float, float]) -> tuple[float, float]:
    """The two of the values, of any shape, that become black and white; `full` are the ends of the file's own range."""
    if window == "full":
        return full
    if window == "range":
        return float(values.min()), float(values.max())
    if window == "percentile":
        low, high = np.percentile(values, PERCENTILES)
        return float(low), float(high)
    return float(window[0]), float(window[1])


def num_bands(content: bytes) -> int | None:
    """How many bands a TIFF says it has; None for what is no TIFF, or says nothing."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if not order:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", content, 4)
        (num,) = struct.unpack_from(f"{order}H", content, start)
        entries = (struct.unpack_from(f"{order}HHIHH", content, start + 2 + 12 * i) for i in range(num))
        return next((value for tag, _, _, value, _ in entries if tag == SAMPLES_PER_PIXEL), None)
    except struct.error:
        return None
