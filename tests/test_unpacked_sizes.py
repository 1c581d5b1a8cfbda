"""A file that unpacks to more than it may is refused before it does, whoever wrote it."""

import gzip
import io
import os
import zipfile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenkeel.reports.table.record_files import npz_arrays
from evenkeel.study.cli import main
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.read_runs import read_runs
from evenkeel.study.records import parquet
from evenkeel.study.records.folder import Folder, ForeignFileError
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.supervisor import _lock
from evenkeel.trainables.data.csv.dialects import content_of
from evenkeel.trainables.data.image_lookup import ImageFile, image_source
from evenkeel.trainables.data.medmnist import MedMnist
from evenkeel.trainables.data.pixels import BadImage
from evenkeel.trainables.data.pixels import content_of as content_of_image
from evenkeel.trainables.errors import TrainableError
from tests.test_untrusted_folders import folder, trial_record  # noqa: F401


def npz(**arrays) -> bytes:
    np.savez_compressed(stream := io.BytesIO(), **arrays)
    return stream.getvalue()


def test_arrays_beside_a_record_are_read_as_numpy_reads_them():
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.eye(3)[:2]), "c": np.array(["x", "yz"])}
    read = npz_arrays(npz(**arrays))
    assert read.keys() == arrays.keys() and all(np.array_equal(read[name], arrays[name]) for name in arrays)


def head(shape) -> bytes:
    """The head of an npy file that says such a shape, and eight bytes."""
    np.lib.format.write_array_header_1_0(
        stream := io.BytesIO(), {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue() + bytes(8)


def zipped(content: bytes, name="a.npy") -> bytes:
    with zipfile.ZipFile(stream := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("content", [npz(a=np.zeros(2**23 + 1)), zipped(head((2**50,))), zipped(b"no array"), b"PK",
                                     npz(a=np.array([{}, 1], dtype=object))])  # fmt: skip
def test_arrays_that_say_more_than_they_hold_or_are_none_are_refused(content):
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        npz_arrays(content)


def test_an_image_file_has_a_bound_also_in_a_zip(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zipped(bytes(5000), "a.png"))
    monkeypatch.setattr("evenkeel.trainables.data.image_archives.MAX_IMAGE_BYTES", 4999)
    (tmp_path / "b.png").write_bytes(bytes(5000))
    for source, name in ((tmp_path / "a.zip", "a.png"), (tmp_path, "b.png")):
        with pytest.raises(BadImage, match="has 5,000 bytes; at most 4,999"):
            content_of_image(ImageFile(image_source(source, "images"), name))


def test_a_table_under_gzip_has_a_bound(tmp_path, monkeypatch):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(bytes(5000)))
    assert content_of(path, "tables") == bytes(5000)
    monkeypatch.setattr("evenkeel.trainables.data.csv.dialects.MAX_TABLE_BYTES", 4999)
    with pytest.raises(TrainableError, match="unpacks to more than 4,999 bytes"):
        content_of(path, "tables")


def test_a_medmnist_file_whose_heads_say_more_than_it_holds_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "chestmnist.npz", "w") as archive:
        for split in ("train", "val", "test"):
            archive.writestr(f"{split}_images.npy", head((2**40, 28, 28)))
            archive.writestr(f"{split}_labels.npy", head((2**40, 14)))
    data = MedMnist.model_validate({"name": "medmnist", "dataset": "chestmnist", "root": str(tmp_path)})
    with pytest.raises(TrainableError, match="does not hold rows of bytes"):
        data.load(28, tmp_path / "cache")


def test_a_packed_file_of_somebody_elses_is_set_aside_whatever_it_holds(folder, capsys):  # noqa: F811
    ledger = Ledger(str(folder), "synthetic")
    ledger.pack()
    for number, table in enumerate(
        [{"record": ["{}"]}, {"a": [1]}, {"record": ["[" * 9999]}, {"record": [None] * 5000}]
    ):
        pq.write_table(pa.table(table), stream := io.BytesIO())
        (folder / parquet.file_name(number + 2, stream.getvalue())).write_bytes(stream.getvalue())
    for path in folder.glob("*.parquet"):
        path.rename(folder / "packed" / path.name)
    (folder / "packed" / parquet.file_name(9, b"x")).write_bytes(b"x")
    assert len(ledger.read_all()) == 6 == len(ledger.entries()) and len(ledger.damaged) == 5
    assert main(["report", str(folder), "-o", str(folder / "page.html")]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_large_object_is_not_fetched(monkeypatch):
    place = "memory://bounded"
    fsspec.filesystem("memory").pipe_file("/bounded/a.json", b"12345")
    monkeypatch.setattr("evenkeel.study.records.folder.MAX_FILE_BYTES", 4)
    with pytest.raises(ForeignFileError, match="5 bytes; at most 4"):
        Folder(place).read("a.json")


def test_nothing_but_a_folder_of_ones_own_is_taken_for_a_dead_runs(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="directory|symbolic"):
            _lock(tmp_path / name)
    assert (lock := _lock(tmp_path)) is not None
    os.close(lock)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert _lock(tmp_path) is None


def test_a_dicom_file_has_a_bound_on_its_pixels():
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import JPEG2000, generate_uid

    from evenkeel.trainables.data.dicom import dicom_values

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID, file.file_meta.MediaStorageSOPInstanceUID = JPEG2000, generate_uid()
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.Rows = file.Columns = 65535
    file.save_as(stream := io.BytesIO(), enforce_file_format=True, implicit_vr=False, little_endian=True)
    with pytest.raises(ValueError, match="4,294,836,225 pixels; at most"):
        dicom_values(stream.getvalue())


def test_a_deflated_dicom_file_has_a_bound_on_what_it_unpacks_to(monkeypatch):
    from evenkeel.trainables.data.dicom import dicom_values

    content, unpacked = deflated_dicom(np.zeros((64, 64), np.uint8))
    assert dicom_values(content)[0].shape == (64, 64)
    for module in ("dicom", "image_archives"):
        monkeypatch.setattr(f"evenkeel.trainables.data.{module}.MAX_IMAGE_BYTES", unpacked - 1)
    with pytest.raises(ValueError, match=f"{unpacked:,} bytes; at most"):
        dicom_values(content)


def deflated_dicom(values):
    """A deflated file of such values [H, W] uint8, and how many bytes its data set has."""
    import zlib

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", generate_uid()
    file.Rows, file.Columns = values.shape
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation, file.SamplesPerPixel = 7, 0, 1
    file.PhotometricInterpretation, file.PixelData = "MONOCHROME2", values.tobytes()
    file.save_as(stream := io.BytesIO(), enforce_file_format=True)
    packed = stream.getvalue()[144 + int.from_bytes(stream.getvalue()[140:144], "little") :]
    return stream.getvalue(), len(zlib.decompress(packed, -zlib.MAX_WBITS))


FORGED = {
    "examples.npz": {"targets": np.zeros((3, 2)), "scores": np.zeros((2, 2)), "sheet": np.zeros(9)},
    "gradients.npz": {"positive": np.zeros(2)},
    "embedding.npz": {"tsne": np.zeros((3, 2)), "targets": np.array([["<script>"] * 2] * 3)},
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_arrays_of_other_axes_are_not_shown(name, folder, tmp_path, capsys):  # noqa: F811
    (tmp_path / name).write_bytes(npz(**FORGED[name]))
    Ledger(str(folder), "synthetic").write(trial_record(seed=9, files={name.removesuffix(".npz"): name}), tmp_path)
    assert main(["report", str(folder), "-o", str(folder / "page.html")]) == 0, capsys.readouterr().err


def test_a_pipe_or_deep_json_among_others_runs_is_one_line(tmp_path, capsys):
    words = ["report", "--runs", str(tmp_path), "-o", str(tmp_path / "page.html")]
    os.mkfifo(tmp_path / "params.json")
    assert main(words) == 2 and "no plain file" in capsys.readouterr().err
    (tmp_path / "params.json").unlink()
    (tmp_path / "params.json").write_text("[" * 100_000)
    assert main(words) == 2 and "not the JSON" in capsys.readouterr().err


def test_a_table_of_others_runs_has_a_bound_also_under_gzip(tmp_path, monkeypatch):
    text = b"method,lr,score\n" + b"a,0.1,0.5\n" * 9
    (tmp_path / "plain.csv").write_bytes(text)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text))
    plain, packed = (read_runs(str(tmp_path / name), None).frame for name in ("plain.csv", "packed.csv.gz"))
    assert plain.equals(packed) and len(plain) == 9
    monkeypatch.setattr("evenkeel.study.exchange.read_runs.MAX_TABLE_BYTES", len(text) - 1)
    os.mkfifo(tmp_path / "pipe.csv")
    for name, words in {"plain.csv": "more than", "packed.csv.gz": "more than", "pipe.csv": "no plain file"}.items():
        with pytest.raises(UserError, match=words):
            read_runs(str(tmp_path / name), None)
