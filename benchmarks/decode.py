"""How many images a second reach the model, by what they lie in, against a plain DataLoader with the usual reader?

Plainly: a DataLoader with two workers whose data set reads and decodes an image whenever it is asked for: Pillow for a
folder, `zipfile`, `pyarrow` for Parquet with pictures, `tarfile`, and `pydicom` for DICOM, then Pillow's resize. Ours:
`csv` as a study reads it, decoded once into the cache, then three epochs of batches from there. The first epoch, which
decodes, is given apart; three epochs are what a short training takes. Both take turns, and of each epoch the quickest
of some rounds counts: other work on the machine only slows. Images are shades with edges and noise, as JPEGs; DICOM has
12 bits in 16. Run: make bench-decode  (some minutes)
"""

import argparse
import io
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.prefetch import Reader

BATCH, NUM_EPOCHS, NUM_WORKERS = 32, 3, 2
CONTAINERS = ("folder", "zip", "parquet", "tar", "dicom")


def jpegs(num: int, side: int) -> list[bytes]:
    """Photographs of a kind: smooth shades with edges and a little noise, as JPEGs of quality 90."""
    from PIL import Image

    rng = np.random.default_rng(0)
    contents = []
    for _ in range(num):
        small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        image = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
        image[side // 4 : side // 2, side // 3 :] //= 2
        noisy = (image + rng.integers(-8, 9, image.shape)).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
        contents.append(buffer.getvalue())
    return contents


def dicoms(num: int, side: int) -> list[bytes]:
    """X-rays of a kind, as a scanner writes them: 12 bits in 16, not compressed."""
    import pydicom

    rng = np.random.default_rng(0)
    contents = []
    for _ in range(num):
        file = pydicom.Dataset()
        file.file_meta = pydicom.dataset.FileMetaDataset()
        file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        file.file_meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
        file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        file.Rows = file.Columns = side
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
        file.PixelData = rng.integers(0, 4096, (side, side), dtype=np.uint16).tobytes()
        buffer = io.BytesIO()
        file.save_as(buffer, enforce_file_format=True)
        contents.append(buffer.getvalue())
    return contents


def written(folder: Path, container: str, contents: list[bytes]) -> None:
    """The images in a container, and their table."""
    import pandas as pd

    suffix = "dcm" if container == "dicom" else "jpg"
    names = [f"{number:06d}.{suffix}" for number in range(len(contents))]
    table = pd.DataFrame({"image": names, "tag": [("cat", "dog")[n % 2] for n in range(len(names))]})
    if container == "parquet":
        table.assign(image=contents).to_parquet(folder / "table.parquet", row_group_size=256)
        return
    table.to_csv(folder / "table.csv", index=False)
    if container == "zip":
        with zipfile.ZipFile(folder / "images.zip", "w") as archive:
            for name, content in zip(names, contents, strict=True):
                archive.writestr(name, content)
    elif container == "tar":
        with tarfile.open(folder / "images.tar", "w") as archive:
            for name, content in zip(names, contents, strict=True):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        (folder / "images").mkdir()
        for name, content in zip(names, contents, strict=True):
            (folder / "images" / name).write_bytes(content)


class PlainImages(Dataset):
    """Images read and decoded when they are asked for, as a tutorial writes it."""

    def __init__(self, folder: Path, container: str, num: int, size: int) -> None:
        self.folder, self.container, self.num, self.size = folder, container, num, size
        self.read: Callable[[int], bytes] | None = None

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, row: int) -> Tensor:
        from PIL import Image

        self.read = self.read or self._reader()
        content = self.read(row)
        image = self._dicom(content) if self.container == "dicom" else Image.open(io.BytesIO(content))
        resized = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized))

    def _reader(self) -> Callable[[int], bytes]:
        if self.container == "parquet":
            import pyarrow.parquet as pq

            column = pq.read_table(self.folder / "table.parquet", columns=["image"]).column(0)
            return lambda row: column[row].as_py()
        if self.container == "zip":
            archive = zipfile.ZipFile(self.folder / "images.zip")
            return lambda row: archive.read(f"{row:06d}.jpg")
        if self.container == "tar":
            tar = tarfile.open(self.folder / "images.tar")  # noqa: SIM115
            return lambda row: tar.extractfile(f"{row:06d}.jpg").read()  # type: ignore[union-attr]
        suffix = "dcm" if self.container == "dicom" else "jpg"
        return lambda row: (self.folder / "images" / f"{row:06d}.{suffix}").read_bytes()

    def _dicom(self, content: bytes):
        import pydicom
        from PIL import Image

        values = pydicom.dcmread(io.BytesIO(content)).pixel_array
        return Image.fromarray((values / 16).astype(np.uint8))


def plain_epochs(folder: Path, container: str, num: int, size: int) -> list[float]:
    """Seconds of each epoch of a plain DataLoader."""
    loader = DataLoader(PlainImages(folder, container, num, size), BATCH, shuffle=True, num_workers=NUM_WORKERS)
    seconds = []
    for _ in range(NUM_EPOCHS):
        started = time.perf_counter()
        assert sum(len(batch) for batch in loader) == num
        seconds.append(time.perf_counter() - started)
    return seconds


def our_epochs(folder: Path, container: str, num: int, size: int, cache: Path) -> list[float]:
    """Seconds of each epoch as a study has it; the first decodes."""
    images = {"tar": "images.tar", "zip": "images.zip"}.get(container, "images")
    keys = {"tables": {"all": "table.csv"}, "images": {"all": images}}
    if container == "parquet":
        keys = {"tables": {"all": "table.parquet"}}
    labels = {"image_column": "image", "label_column": "tag", "test_fraction": 0.2, "validation": {"fraction": 0.2}}
    data = data_set({"name": "csv", "root": str(folder)} | keys | labels)
    seconds = []
    for _ in range(NUM_EPOCHS):
        started = time.perf_counter()
        reader = Reader(load(data, size, cache).images, "cpu")
        order = np.random.default_rng(0).permutation(num)
        assert sum(len(batch) for batch in reader.batches(order, BATCH)) == num
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=384, help="of the images as they lie")
    parser.add_argument("--size", type=int, default=224, help="of the images as they are trained on")
    options = parser.parse_args()
    photographs, xrays = jpegs(options.images, options.side), dicoms(options.images, options.side)
    for container in CONTAINERS:
        with tempfile.TemporaryDirectory() as name:
            folder, rounds = Path(name) / "data", []
            folder.mkdir()
            written(folder, container, xrays if container == "dicom" else photographs)
            for number in range(options.rounds):
                cache = Path(name) / f"cache{number}"
                cache.mkdir()
                plain = plain_epochs(folder, container, options.images, options.size)
                rounds.append((plain, our_epochs(folder, container, options.images, options.size, cache)))
        plain, ours = np.min(rounds, axis=0)
        rates = [NUM_EPOCHS * options.images / sum(seconds) for seconds in (plain, ours)]
        print(f"{container:8} plain {rates[0]:8,.0f} images a second, ours {rates[1]:8,.0f}", flush=True)
        print(f"ratio decode/{container}/three-epochs {rates[1] / rates[0]:.2f}")
        print(f"ratio decode/{container}/first-epoch {plain[0] / ours[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
