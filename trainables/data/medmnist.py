"""MedMNIST: small medical images or volumes in one .npz file a set and size, as the `medmnist` package has them."""

import hashlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from evenkeel.trainables.cache import made_once
from evenkeel.trainables.data.csv.label_oddities import class_oddities
from evenkeel.trainables.data.csv.labels import Labels
from evenkeel.trainables.data.csv.overview import summary_of
from evenkeel.trainables.data.csv.rows import Listing, Rows
from evenkeel.trainables.data.image_set import SPLITS, ImageSet, no_images
from evenkeel.trainables.data.load import refusal_of
from evenkeel.trainables.data.medmnist_classes import CLASSES, SEVERAL_LABELS, VOLUMES
from evenkeel.trainables.data.published import SingleLabel
from evenkeel.trainables.data.settings import ALL_ROWS, Validation
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.settings import SWITCH, PathText, at_home

NUM_IMAGES_READ_AT_ONCE = 1024
VOLUME_SIZES = (28, 64)


class MedMnist(SingleLabel):
    """MedMNIST v2 and MedMNIST+ (Yang et al. 2023): any of its sets in any published size, of volumes a slice each."""

    name: Literal["medmnist"] = "medmnist"
    dataset: Literal[
        "pathmnist", "chestmnist", "dermamnist", "octmnist", "pneumoniamnist", "retinamnist", "breastmnist",
        "bloodmnist", "tissuemnist", "organamnist", "organcmnist", "organsmnist", "organmnist3d", "nodulemnist3d",
        "adrenalmnist3d", "fracturemnist3d", "vesselmnist3d", "synapsemnist3d",
    ] = Field(description="which of the sets")  # fmt: skip
    size: Literal[28, 64, 128, 224] = Field(28, description="side of the published images")
    slice: Annotated[Literal["middle"] | None, SWITCH] = Field(
        None, description="what is taken of a volume: its middle slice along the first axis"
    )
    root: PathText = Field("~/.medmnist", description="folder of the .npz files")
    validation: Validation | None = Field(
        None, description=f"carved from train and val; null: the official split; {ALL_ROWS}"
    )

    @field_validator("dataset", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in CLASSES:
            raise ValueError(f"unknown set {value!r}; {nearest(value, CLASSES)}")
        return value

    @model_validator(mode="after")
    def _of_pictures(self) -> Self:
        volumes = self.dataset in VOLUMES
        if volumes and self.slice is None:
            pictures = ", ".join(name for name in CLASSES if name not in VOLUMES)
            raise ValueError(
                f"dataset: {self.dataset} is a set of volumes, and trainables take pictures; give slice: middle, or "
                f"one of {pictures}"
            )
        if volumes and self.size not in VOLUME_SIZES:
            raise ValueError(f"size: volumes are published at {VOLUME_SIZES}, got {self.size}")
        if self.slice and not volumes:
            raise ValueError(f"slice: {self.dataset} is a set of pictures; leave it out")
        return self

    @property
    def called(self) -> str:
        return self.dataset

    @property
    def several(self) -> bool:
        """Whether an image may have several labels."""
        return self.dataset in SEVERAL_LABELS

    @property
    def softmax(self) -> bool:
        return not self.several and super().softmax

    @property
    def path(self) -> Path:
        """The .npz file. Raises TrainableError when it is not there."""
        suffix = "" if self.size == 28 else f"_{self.size}"
        path = at_home(self.root) / f"{self.dataset}{suffix}.npz"
        if not path.is_file():
            raise TrainableError(
                f"data.root: {path} does not exist; download it (docs/data.md says where), or correct data.root"
            )
        return path

    def fingerprint(self) -> str:
        """Hash of the arrays' names, sizes and checksums, which the file lists."""
        with _opened(self.path) as archive:
            return _hash("".join(sorted(f"{m.filename} {m.file_size} {m.CRC}\n" for m in archive.infolist())))

    def load(self, image_size: int, cache: Path) -> ImageSet:
        name = f"medmnist-{_hash(f'{self.fingerprint()} {image_size}')}.npy"
        volumes = self.dataset in VOLUMES
        with _opened(self.path) as archive:
            images = made_once(cache / name, lambda path: _write_images(archive, image_size, path, volumes))
        loaded = replace(self._labels(), images=np.load(images, mmap_mode="r"))
        return loaded if self.several else self.checked(loaded)

    def describe(self) -> DataSummary:
        """What the file holds; no image is looked at. Raises TrainableError."""
        labelled = self._labels()
        ids = [f"{SPLITS[code]} image {row}" for row, code in enumerate(labelled.split)]
        odd = class_oddities(labelled.classes, labelled.targets)
        rows = Rows(ids, [""] * len(ids), Labels(labelled.classes, labelled.targets, None), labelled.split, None, odd)
        listing, refusal = Listing([], [], [], [], ids, [], rows.files), refusal_of(labelled, self.validation)
        summary = summary_of(listing, rows, 0, self.validation, refusal, None)
        kind = "the middle slices of volumes" if self.slice else "pictures"
        return replace(
            summary, images=f"{self.path.name}: {len(ids):,} images, {kind} of {self.size} x {self.size} pixels"
        )

    def _labels(self) -> ImageSet:
        """The rows without their images."""
        with _opened(self.path) as archive:
            labels = [_array(archive, f"{split}_labels") for split in SPLITS]
        targets = np.concatenate([self._targets(split_labels) for split_labels in labels])
        split = np.repeat(np.arange(3, dtype=np.uint8), [len(split_labels) for split_labels in labels])
        return ImageSet(no_images(len(split)), targets, split, None, list(CLASSES[self.dataset]))

    def _targets(self, labels: np.ndarray) -> np.ndarray:
        num = len(CLASSES[self.dataset])
        if labels.shape[1:] != ((num,) if self.several else (1,)) or labels.max() >= max(num, 2):
            raise TrainableError(
                f"data.dataset: {self.path} holds labels {list(labels.shape)} up to {labels.max()}, not those of "
                f"{self.dataset}; download the file again"
            )
        return labels.astype(np.uint8) if self.several else np.eye(num, dtype=np.uint8)[labels[:, 0]]


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise TrainableError(f"data.root: {path} is no .npz file ({error}); download it again") from error


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with _member(archive, name) as stream:
        shape = _header(archive, name, stream)
        return np.frombuffer(stream.read(math.prod(shape)), np.uint8).reshape(shape)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(f"{name}.npy")
    except KeyError as error:
        raise TrainableError(f"data.root: {archive.filename} holds no {name}; download the file again") from error


def _write_images(archive: zipfile.ZipFile, side: int, path: Path, volumes: bool) -> None:
    """All splits one after the other as [N, side, side, channels], block by block: the largest file has 5.6 GB."""
    shapes = [_shape(archive, split) for split in SPLITS]
    channels = shapes[0][3] if len(shapes[0]) == 4 and not volumes else 1
    total = (sum(shape[0] for shape in shapes), side, side, channels)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=total)
    row = 0
    for split in SPLITS:
        for block in _blocks(archive, split):
            block = block[:, block.shape[1] // 2] if volumes else block
            images[row : row + len(block)] = _resized(block, side).reshape(-1, side, side, channels)
            row += len(block)
    images.flush()


def _shape(archive: zipfile.ZipFile, split: str) -> tuple[int, ...]:
    name = f"{split}_images"
    with _member(archive, name) as stream:
        return _header(archive, name, stream)


def _header(archive: zipfile.ZipFile, name: str, stream: IO[bytes]) -> tuple[int, ...]:
    """The shape of an array of bytes, which has as many as its head says. Raises TrainableError."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, kind = read(stream)
    has = archive.getinfo(f"{name}.npy").file_size - stream.tell()
    if by_columns or kind != np.uint8 or len(shape) not in (2, 3, 4) or math.prod(shape) != has:
        raise TrainableError(f"data.root: {archive.filename} does not hold rows of bytes; download the file again")
    return shape


def _blocks(archive: zipfile.ZipFile, split: str) -> Iterator[np.ndarray]:
    with _member(archive, f"{split}_images") as stream:
        num, *inner = _header(archive, f"{split}_images", stream)
        for start in range(0, num, NUM_IMAGES_READ_AT_ONCE):
            rows = min(NUM_IMAGES_READ_AT_ONCE, num - start)
            yield np.frombuffer(stream.read(rows * math.prod(inner)), np.uint8).reshape(rows, *inner)


def _resized(block: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    if block.shape[1] == side:
        return block
    size = (side, side)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in block])
