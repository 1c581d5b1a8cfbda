"""From one image file to bytes, as a viewer would show it."""

import re
import struct
import zipfile
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.trainables.data.image_lookup import ImageFile, unreadable

if TYPE_CHECKING:
    from PIL import Image

FLAWS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, AttributeError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises for files that are broken in one way or another."""


class BadImage(Exception):
    """A file that cannot be used; the text says why."""


def pixels(file: ImageFile, size: int, grey: bool) -> np.ndarray:
    """One image as a viewer shows it, squeezed to [size, size, 1 or 3] uint8. Raises BadImage; TrainableError."""
    from PIL import Image

    content = _content(file)
    try:
        with Image.open(BytesIO(content)) as image:
            flat = _eight_bits(_upright(image))
            resized = flat.convert("L" if grey else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    except Image.DecompressionBombError as error:
        number = next(iter(re.findall(r"\d{6,}", str(error))), "0")
        raise BadImage(f"has {int(number):,} pixels, more than are decoded; make it smaller") from error
    except FLAWS as error:
        raise BadImage(f"cannot be decoded ({_reason(error, content)})") from error
    return np.asarray(resized).reshape(size, size, -1)


def library() -> str:
    """The version of what turns files into pixels."""
    from PIL import __version__

    return f"pillow {__version__}"


def _content(file: ImageFile) -> bytes:
    try:
        content = file.read()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadImage(f"is damaged inside the zip ({error})") from error
    except OSError as error:
        raise unreadable(error) from error
    except (RuntimeError, NotImplementedError) as error:
        raise BadImage(f"cannot be taken out of the zip ({error}); make the zip anew") from error
    if not content:
        raise BadImage("is empty")
    return content


def _upright(image: "Image.Image") -> "Image.Image":
    """The image with its EXIF orientation applied; EXIF that cannot be read says nothing."""
    from PIL import ImageOps

    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except FLAWS:
        return image


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """16 bits scaled to 8; what is transparent shown on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"32-bit values from {values.min()} to {values.max()}; save it with 8 or 16 bits")
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point values; save it with 8 or 16 bits")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if np.asarray(rgba)[..., 3].min() < 255:
            return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image


def _reason(error: Exception, content: bytes) -> str:
    from PIL import UnidentifiedImageError

    if content[128:132] == b"DICM":
        return "a DICOM file; convert it to PNG"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image file: it begins with {content[:16]!r}"
    return str(error) or type(error).__name__
