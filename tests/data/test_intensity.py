"""Which values of a file become black and white: 12 bits in files of 16, floating point, DICOM, many bands."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.dicom import dicom_pixels, dicom_values
from evenkeel.trainables.data.load import load
from tests.data.makers import csv_table, encoded, six, write

RAMP = np.linspace(160, 3200, 8 * 8).astype(np.uint16).reshape(8, 8)
"""An X-ray of 12 bits."""


def png16(values):
    return encoded(Image.fromarray(values))


def tiff(values):
    return encoded(Image.fromarray(values), "TIFF")


def loaded(folder, content, name="im0.png", **keys):
    """The first of six images, [8, 8] grey, where it is this file."""
    six(folder)
    (folder / "images" / "im0.png").unlink()
    write(folder, {f"images/{name}": content})
    data = csv_table(folder, grey=True, **keys)
    return load(data, 8, folder / "cache").images[0, ..., 0], data.describe()


def stretched(values, low, high):
    """By numpy alone."""
    return np.rint(np.interp(values.astype(float), [low, high], [0, 255]))


WINDOWS = {
    "full": (0, 65535),
    "range": (160, 3200),
    "percentile": tuple(np.percentile(RAMP, [0.5, 99.5])),
    "a window of the user's": (1000, 2000),
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("make", [png16, tiff, lambda values: tiff(values.astype(np.int32))])
def test_values_are_spread_over_the_window(name, make, tmp_path):
    low, high = WINDOWS[name]
    intensity = [low, high] if name.startswith("a ") else name
    image, _ = loaded(tmp_path, make(RAMP), intensity=intensity)
    assert np.abs(image - stretched(RAMP, low, high)).max() <= (1 if name == "full" else 0)


def test_floating_point_needs_a_window(tmp_path):
    values = RAMP.astype(np.float32) / 1000
    image, _ = loaded(tmp_path / "a", tiff(values), intensity="range")
    assert np.array_equal(image, stretched(values, values.min(), values.max()))
    with pytest.raises(TrainableError, match="floating-point values; give data.intensity: range"):
        loaded(tmp_path / "b", tiff(values))


def test_photographs_are_spread_in_all_channels_alike(tmp_path):
    values = np.dstack([np.full((8, 8), v, np.uint8) for v in (40, 60, 90)])
    six(tmp_path)
    write(tmp_path, {"images/im0.png": encoded(Image.fromarray(values))})
    image = load(csv_table(tmp_path, intensity="range"), 8, tmp_path / "cache").images[0]
    assert image[0, 0].tolist() == [0, round(20 / 50 * 255), 255]


def test_pictures_that_are_nearly_black_are_said(tmp_path):
    six(tmp_path)
    write(tmp_path, {f"images/im{i}.png": png16(RAMP + i) for i in range(6)})
    summary = csv_table(tmp_path).describe()
    odd = [str(each) for each in summary.odd if "intensity" in str(each)]
    assert odd == [
        "images are nearly black: values up to 3,205 of 65,535 (5%); give range, percentile or [0, 4095] "
        "(data.intensity)"
    ]
    assert "values 160 to 3,205 in 6 images looked at, 0 to 65,535 become black to white" in summary.images
    summary = csv_table(tmp_path, intensity="range").describe()
    assert "(intensity: range)" in summary.images and not [o for o in summary.odd if "intensity" in str(o)]


def test_ordinary_pictures_say_nothing(tmp_path):
    assert "values" not in csv_table(six(tmp_path)).describe().images


def test_another_window_is_another_identity(tmp_path):
    six(tmp_path)
    assert "intensity" not in csv_table(tmp_path).identity()
    assert csv_table(tmp_path, intensity=[0, 4095]).identity()["intensity"] == [0, 4095]


@pytest.mark.parametrize("value", [[5, 5], [9, 1], "auto"])
def test_a_window_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="intensity"):
        csv_table(".", intensity=value)


def test_many_bands_are_said_as_such(tmp_path):
    """A TIFF of 13 bands, as satellites take them: its header, by the specification of TIFF 6.0."""
    import struct

    entries = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 13), (273, 4, 1, 90)]
    header = struct.pack("<4sIH", b"II*\0", 8, len(entries))
    body = b"".join(struct.pack("<HHIHH", tag, kind, n, value, 0) for tag, kind, n, value in entries)
    content = header + body + bytes(4) + bytes(8 * 8 * 13)
    with pytest.raises(TrainableError, match="has 13 bands, a picture has one, three or four"):
        loaded(tmp_path, content, "im0.tif")


pydicom = pytest.importorskip("pydicom")


def dicom(values, **tags):
    """A DICOM file as a scanner writes it: 12 bits stored in 16."""
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = tags.pop("syntax", pydicom.uid.ExplicitVRLittleEndian)
    file.file_meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    file.Rows, file.Columns = values.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelData = (values if values.dtype.itemsize < 3 else values.astype(np.uint16)).tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


CT = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 40, "WindowWidth": 400}
DICOMS = {
    "all stored bits": ({}, "full", (0, 4095)),
    "inverted": ({"PhotometricInterpretation": "MONOCHROME1"}, "full", (4095, 0)),
    "its own window, after the rescaling": (CT, "full", (1024 - 160, 1024 + 239)),
    "a window in Hounsfield units": (CT, [-1000, 1000], (24, 2024)),
    "its own range": (CT, "range", (160, 3200)),
    "a window that counts whole values": (CT | {"VOILUTFunction": "LINEAR_EXACT"}, "full", (1024 - 160, 1024 + 240)),
}


@pytest.mark.parametrize("name", DICOMS)
def test_dicom_is_rescaled_windowed_and_inverted(name, tmp_path):
    """LINEAR by equation C.11-1 of DICOM PS3.3: 40 and 400 show -160 to 239."""
    tags, intensity, (low, high) = DICOMS[name]
    image, _ = loaded(tmp_path, dicom(RAMP, **tags), "im0.dicom", intensity=intensity)
    values = RAMP if low < high else 4095 - RAMP.astype(int)
    assert np.abs(image - stretched(values, min(low, high), max(low, high))).max() <= 1


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize(("kind", "bits"), [("<u2", 16), ("<u2", 12), ("<u2", 10), ("<i2", 16), ("<i2", 12), ("u1", 8)])
def test_values_are_those_of_pydicom(kind, bits, syntax):
    """Also where something else stands in the bits that are not stored."""
    info = np.iinfo(kind)
    values = np.random.default_rng(0).integers(info.min, info.max, (6, 8)).astype(kind)
    tags = {"BitsAllocated": values.itemsize * 8, "BitsStored": bits, "HighBit": bits - 1}
    content = dicom(values, PixelRepresentation=int(kind == "<i2"), syntax=syntax, **tags)
    expected = pydicom.dcmread(io.BytesIO(content)).pixel_array
    found, _ = dicom_values(content)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)


def test_a_palette_is_applied(tmp_path):
    """Index 2 is red, 3 green, by tables of 16 bits."""
    tables = {"Red": [0, 0, 65535, 0], "Green": [0, 0, 0, 65535], "Blue": [0, 0, 0, 0]}
    tags = {f"{name}PaletteColorLookupTableDescriptor": [4, 0, 16] for name in tables}
    tags |= {f"{name}PaletteColorLookupTableData": np.array(t, "<u2").tobytes() for name, t in tables.items()}
    values = np.array([[2, 3], [0, 1]], np.uint8)
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    content = dicom(values, PhotometricInterpretation="PALETTE COLOR", **bits, **tags)
    assert dicom_pixels(content, "full").tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 0], [0, 0, 0]]]


def test_frames_of_a_film_are_refused(tmp_path):
    film = np.stack([RAMP, RAMP])
    with pytest.raises(TrainableError, match="im0.dcm cannot be decoded .a DICOM file of 2 frames, not a picture"):
        loaded(tmp_path, dicom(film, NumberOfFrames=2), "im0.dcm")


def test_without_what_reads_dicom_the_way_out_is_said(tmp_path, monkeypatch):
    content = dicom(RAMP)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(TrainableError, match=r"pip install 'evenkeel\[dicom\]'"):
        loaded(tmp_path, content, "im0.dcm")
