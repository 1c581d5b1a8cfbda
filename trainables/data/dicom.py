"""From a DICOM file to 256 levels, in the order of the standard: rescale, window, invert. Needs pydicom."""

import zlib
from io import BytesIO
from typing import Any

import numpy as np

from evenkeel.trainables.data.image_archives import MAX_IMAGE_BYTES, check_image_size
from evenkeel.trainables.data.intensity import Window, scaled

PREAMBLE_BYTES = 132
MAX_PIXELS = 178_956_970
"""As many as Pillow takes of any picture."""
INSTALL = "a DICOM file; install what reads it with: pip install 'evenkeel[dicom]' (or convert it to PNG)"


def is_dicom(content: bytes) -> bool:
    """Whether bytes are a DICOM file, by its preamble."""
    return content[128:132] == b"DICM"


def dicom_pixels(content: bytes, window: Window) -> np.ndarray:
    """The picture of a DICOM file, [H, W] or [H, W, 3] uint8.

    Grey values are rescaled (CT: to Hounsfield units), then windowed: `full` takes the file's own window, or all that
    its bits can hold; MONOCHROME1, in which high values are dark, is inverted. Raises ValueError for several frames and
    for what cannot be decoded here. Source: DICOM PS3.3, C.7.6.3, C.11.1 and C.11.2.
    """
    file, values = _read(content)
    if values.ndim == 3:
        return values if values.dtype == np.uint8 else scaled(values, window, _bits(file))
    grey = _windowed(values, file) if window == "full" else scaled(values, window, (0, 1))
    return 255 - grey if file.PhotometricInterpretation == "MONOCHROME1" else grey


def dicom_values(content: bytes) -> tuple[np.ndarray, tuple[float, float]]:
    """(rescaled values [H, W] or [H, W, 3], the ends of the file's own window) of a DICOM file.

    Raises ValueError as `dicom_pixels` does.
    """
    file, values = _read(content)
    return values, _bits(file) if values.ndim == 3 else _window(file) or _rescaled_bits(file)


def dicom_library() -> str:
    """The version of what reads DICOM, and what was added here since: other pixels than before."""
    try:
        import pydicom
    except ImportError:
        return "no pydicom"
    return f"pydicom {pydicom.__version__}, palettes"


def _read(content: bytes) -> tuple[Any, np.ndarray]:
    """The file and its values, [H, W] rescaled or [H, W, 3]."""
    try:
        import pydicom
        from pydicom.pixels import apply_color_lut, apply_modality_lut
    except ImportError as error:
        raise ValueError(INSTALL) from error
    _check_deflated(content)
    file = pydicom.dcmread(BytesIO(content))
    if (frames := int(file.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"a DICOM file of {frames} frames, not a picture; save the frames that you want as files")
    if (pixels := int(file.get("Rows") or 0) * int(file.get("Columns") or 0)) > MAX_PIXELS:
        raise ValueError(f"{pixels:,} pixels; at most {MAX_PIXELS:,}")
    try:
        values = _plain_values(file)
        values = file.pixel_array if values is None else values
    except (AttributeError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"a DICOM file whose pixels cannot be decoded: {error}".replace("\n", " ")) from error
    if file.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(values, file)
        return file, colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    return file, values if values.ndim == 3 else apply_modality_lut(values, file)


def _plain_values(file: Any) -> np.ndarray | None:
    """The values [H, W] of a grey file that is not compressed, as pydicom gives them; None of another.

    Threads that decode wait for each other while pydicom looks at every attribute.
    """
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    bits, allocated, content = int(file.BitsStored), int(file.BitsAllocated), file.get("PixelData", b"")
    shape, signed = (int(file.Rows), int(file.Columns)), int(file.PixelRepresentation)
    grey = file.SamplesPerPixel == 1 and allocated in (8, 16) and file.HighBit == bits - 1
    plain = file.file_meta.TransferSyntaxUID in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    num_bytes = shape[0] * shape[1] * allocated // 8
    if not (grey and plain) or (signed and bits < allocated) or not 0 < num_bytes <= len(content):
        return None
    values = np.frombuffer(content[:num_bytes], f"<{'i' if signed else 'u'}{allocated // 8}").reshape(shape)
    return values if bits == allocated else values & (2**bits - 1)  # what lies in the other bits is no value


def _check_deflated(content: bytes) -> None:
    """Raises ValueError for a deflated data set that unpacks to more than an image may: dcmread unpacks all of it.

    Source: DICOM PS3.5, A.5.
    """
    from pydicom.filereader import _read_file_meta_info  # dcmread's own: what it takes for deflated counts
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if DeflatedExplicitVRLittleEndian.encode() not in content:
        return
    file = BytesIO(content)
    file.seek(PREAMBLE_BYTES)
    if _read_file_meta_info(file).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), MAX_IMAGE_BYTES + 1)
        check_image_size(len(unpacked))


def _bits(file: Any) -> tuple[float, float]:
    """The smallest and largest value that the stored bits can hold."""
    bits = int(file.BitsStored)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if file.PixelRepresentation else (0.0, 2.0**bits - 1)


def _rescaled_bits(file: Any) -> tuple[float, float]:
    slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
    low, high = sorted(slope * end + intercept for end in _bits(file))
    return low, high


def _window(file: Any) -> tuple[float, float] | None:
    """The ends of a file's linear window; None without one."""
    if file.get("WindowCenter") is None or file.get("WindowWidth") is None:
        return None
    center, width = _first(file.WindowCenter), _first(file.WindowWidth)
    if file.get("VOILUTFunction", "LINEAR") == "LINEAR":  # by the standard, half a value off the middle
        center, width = center - 0.5, max(width - 1, 1e-6)
    return center - width / 2, center + width / 2


def _windowed(values: np.ndarray, file: Any) -> np.ndarray:
    """Rescaled values through the file's own window: a table, a function, or none."""
    from pydicom.pixels import apply_voi

    if file.get("VOILUTSequence"):
        bits = int(file.VOILUTSequence[0].LUTDescriptor[2])
        return scaled(apply_voi(values.astype(np.int64), file), "full", (0, 2.0**bits - 1))
    window = _window(file)
    if window and file.get("VOILUTFunction") == "SIGMOID":
        center, width = sum(window) / 2, window[1] - window[0]
        return np.rint(255 / (1 + np.exp(-4 * (values - center) / width))).astype(np.uint8)
    return scaled(values, "full", window or _rescaled_bits(file))


def _first(value: Any) -> float:
    """The first of several windows."""
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
