"""From one image file to bytes, as a viewer would show it."""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.trainables.data.dicom import dicom_library, dicom_pixels, dicom_values, is_dicom
from evenkeel.trainables.data.image_lookup import ImageFile, unreadable
from evenkeel.trainables.data.intensity import Window, num_bands, scaled

if TYPE_CHECKING:
    from PIL import Image

FLAWS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, AttributeError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises for files that are broken in one way or another."""

MAX_BANDS = 4
"""Grey, RGB, and either with what is transparent."""


class BadImage(Exception):
    """A file that cannot be used; the text says why."""


def pixels(file: ImageFile, size: int, grey: bool, window: Window = "full") -> np.ndarray:
    """One image as a viewer shows it, squeezed to [size, size, 1 or 3] uint8; `window` says which of its values become
    black and white. Raises BadImage; TrainableError."""
    from PIL import Image

    content = content_of(file)
    try:
        if is_dicom(content):
            flat = Image.fromarray(dicom_pixels(content, window))
        else:
            with opened(content) as image:
                flat = _eight_bits(_upright(image), window)
        mode = "L" if grey else "RGB"
        flat = _in_mode(flat, "L" if flat.mode == "L" else mode)  # grey is resized as such: once, not three times alike
        resized = _in_mode(flat.resize((size, size), Image.Resampling.BILINEAR), mode)
    except Image.DecompressionBombError as error:
        number = next(iter(re.findall(r"\d{6,}", str(error))), "0")
        raise BadImage(f"has {int(number):,} pixels, more than are decoded; make it smaller") from error
    except FLAWS as error:
        raise BadImage(f"cannot be decoded ({_reason(error, content)})") from error
    return np.asarray(resized).reshape(size, size, -1)


def file_values(file: ImageFile) -> tuple[np.ndarray, tuple[float, float]]:
    """The values of an image as its file holds them, of any shape, and the ends of what becomes black and white of them
    where no window is said. Raises BadImage; TrainableError."""
    from PIL import Image

    content = content_of(file)
    try:
        if is_dicom(content):
            return dicom_values(content)
        with opened(content) as image:
            deep = image.mode.startswith("I") or image.mode == "F"
            values = np.asarray(image if deep else image.convert("L" if image.mode in ("1", "L") else "RGB"))
            return values, (0, 65535) if deep else (0, 255)
    except (Image.DecompressionBombError, *FLAWS) as error:
        raise BadImage(f"cannot be decoded ({error})") from error


def library(files: Iterable[ImageFile]) -> str:
    """The versions of what turns these files into pixels."""
    from PIL import __version__

    dicom = any(file.name.lower().endswith((".dcm", ".dicom")) for file in files)
    return f"pillow {__version__}{f', {dicom_library()}' if dicom else ''}"


def opened(content: bytes) -> "Image.Image":
    """The image that bytes are, not decoded yet.

    Raises ValueError for what no picture can show, and what Pillow raises.
    """
    from PIL import Image

    if (bands := num_bands(content) or 0) > MAX_BANDS:
        raise ValueError(f"has {bands} bands, a picture has one, three or four; save those to be used as PNG or TIFF")
    return Image.open(BytesIO(content))


def content_of(file: ImageFile) -> bytes:
    """The bytes of an image file. Raises BadImage for a damaged archive, an empty or too large file; TrainableError."""
    try:
        content = file.read()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadImage(f"is damaged inside the zip ({error})") from error
    except OSError as error:
        raise unreadable(error) from error
    except ValueError as error:
        raise BadImage(f"has {error}") from error
    except (RuntimeError, NotImplementedError) as error:
        raise BadImage(f"cannot be taken out of the zip ({error}); make the zip anew") from error
    if not content:
        raise BadImage("is empty")
    return content


def _upright(image: "Image.Image") -> "Image.Image":
    """The image with its EXIF orientation applied; EXIF that cannot be read says nothing."""
    from PIL import ImageOps

    image.load()
    with suppress(*FLAWS):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _in_mode(image: "Image.Image", mode: str) -> "Image.Image":
    """The image in a mode; `convert` would copy one that has it."""
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: "Image.Image", window: Window) -> "Image.Image":
    """All values scaled to 8 bits; what is transparent shown on white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_scaled_values(np.asarray(image), window))
    if window != "full":
        flat = _on_white(image)
        flat = flat.convert("L" if flat.mode in ("1", "L") else "RGB")
        return Image.fromarray(scaled(np.asarray(flat), window, (0, 255)))
    return _on_white(image)


def _scaled_values(values: np.ndarray, window: Window) -> np.ndarray:
    """Values of 16 bits or more, [H, W], as uint8. Raises ValueError where a window must be said."""
    if window != "full":
        return scaled(values, window, (0, 65535))
    if values.dtype.kind == "f":
        raise ValueError("floating-point values; give data.intensity: range, percentile or [low, high]")
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"32-bit values from {values.min()} to {values.max()}; give data.intensity: range, percentile or "
            "[low, high]"
        )
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if np.asarray(rgba)[..., 3].min() < 255:
            return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image


def _reason(error: Exception, content: bytes) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"not an image file: it begins with {content[:16]!r}"
    return str(error) or type(error).__name__
