"""Any data set that is a table of labels and a folder or zip of images."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from trainables.cache import made_once
from trainables.data.image_set import SPLITS, ImageSet
from trainables.data.settings import DataSettings, Validation
from trainables.data.splits import carve
from trainables.errors import TrainableError, nearest
from trainables.settings import PLACE, Settings

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp", ".bmp")
SPLIT_NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
FIXED_TEST_SEED = 0


class ClassesTable(Settings):
    """A table that lists the classes: the column with the label as the data writes it, and the column to show."""

    file: str
    label: str
    name: str


class CsvTable(DataSettings):
    """A table of labels with a split column (or none), or one table a split; images in a folder or a zip."""

    name: Literal["csv"] = "csv"
    root: Annotated[str, PLACE] = Field(description="folder in which all other paths lie")
    tables: dict[Literal["train", "val", "test", "all"], str]
    images: dict[str, str] = Field(description="table name -> folder or zip of images")
    image_column: str = "image_id"
    label_column: str | None = None
    separator: str | None = None
    label_columns: list[str] | None = Field(None, description="one 0/1 column a class, in place of label_column")
    classes_table: ClassesTable | None = None
    split_column: str | None = None
    group_column: str | None = None
    test_fraction: float | None = Field(None, gt=0, lt=0.9)
    validation: Validation | None = None
    min_positives: dict[Literal["train", "val", "test"], int] = {}
    drop_empty_classes: bool = False
    grey: bool = False

    @model_validator(mode="after")
    def _one_label_form(self) -> "CsvTable":
        if (self.label_column is None) == (self.label_columns is None):
            raise ValueError("give exactly one of label_column and label_columns")
        return self

    def fingerprint(self) -> str:
        """Hash of the tables' bytes and of the images' names, sizes and (in a zip) checksums."""
        digest = hashlib.sha256()
        for path in [*self._tables().values(), self._classes_path()]:
            if path is not None:
                digest.update(path.read_bytes())
        for archive in sorted({str(p) for p in self._archives().values()}):
            for entry in _listing(Path(archive)):
                digest.update(entry.encode())
        return digest.hexdigest()[:16]

    def load(self, image_size: int, cache: Path) -> ImageSet:
        frame = self._frame()
        classes, targets = self._targets(frame)
        split, group = self._split(frame, targets)
        names = frame[self._column(frame, "image_column")].astype(str).tolist()
        key = f"images-{self.fingerprint()}-{image_size}-{'grey' if self.grey else 'rgb'}.npy"
        path = made_once(cache / key, lambda at: np.save(at, self._decode(names, frame["_part"].tolist(), image_size)))
        found = ImageSet(np.load(path, mmap_mode="r"), targets, split, group, classes)
        return found.keep_classes(targets[split == 0].sum(0) > 0) if self.drop_empty_classes else found

    def _path(self, name: str, key: str) -> Path:
        path = Path(self.root).expanduser() / name
        if not path.exists():
            raise TrainableError(f"data.{key}: {path} does not exist; correct data.root or data.{key}")
        return path

    def _tables(self) -> dict[str, Path]:
        return {part: self._path(name, "tables") for part, name in self.tables.items()}

    def _archives(self) -> dict[str, Path]:
        return {part: self._path(name, "images") for part, name in self.images.items()}

    def _classes_path(self) -> Path | None:
        spec = self.classes_table
        return self._path(spec.file, "classes_table.file") if spec else None

    def _frame(self) -> "pd.DataFrame":
        import pandas as pd

        frames = []
        for part, path in self._tables().items():
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
            frames.append(frame.assign(_part=part))
        frame = pd.concat(frames, ignore_index=True)
        column = self._column(frame, "image_column")
        twice = frame[column][frame[column].duplicated()]
        if len(twice):
            raise TrainableError(f"data.tables: image {twice.iloc[0]!r} is listed twice; keep one row an image")
        return frame

    def _column(self, frame: "pd.DataFrame", key: str) -> str:
        column = getattr(self, key)
        if column not in frame.columns:
            hint = nearest(column, [c for c in frame.columns if c != "_part"])
            raise TrainableError(f"data.{key}: the table has no column {column!r}; {hint}")
        return column

    def _targets(self, frame: "pd.DataFrame") -> tuple[list[str], np.ndarray]:
        if self.label_columns:
            return self._one_column_a_class(frame)
        column = self._column(frame, "label_column")
        separator = self.separator
        lists = [
            [label.strip() for label in (cell.split(separator) if separator else [cell]) if label.strip()]
            for cell in frame[column]
        ]
        codes, classes = self._class_list(lists)
        targets = np.zeros((len(frame), len(classes)), dtype=np.uint8)
        for row, labels in enumerate(lists):
            for label in labels:
                if label not in codes:
                    raise TrainableError(
                        f"data.{column}: row {row + 1} has label {label!r}, which no class list names; "
                        f"{nearest(label, codes)}"
                    )
                targets[row, codes[label]] = 1
        return self._keep(classes, targets, frame)

    def _one_column_a_class(self, frame: "pd.DataFrame") -> tuple[list[str], np.ndarray]:
        classes = self.label_columns or []
        for name in classes:
            if name not in frame.columns:
                raise TrainableError(
                    f"data.label_columns: the table has no column {name!r}; {nearest(name, frame.columns)}"
                )
        values = frame[classes]
        wrong = np.argwhere(~values.isin(["0", "1", "0.0", "1.0"]).to_numpy())
        if len(wrong):
            row, c = wrong[0]
            value = values.iat[row, c]
            raise TrainableError(f"data.label_columns: {classes[c]}, row {row + 1} is {value!r}; must be 0 or 1")
        return self._keep(list(classes), values.astype(float).to_numpy(np.uint8), frame)

    def _class_list(self, lists: list[list[str]]) -> tuple[dict[str, int], list[str]]:
        spec = self.classes_table
        if not spec:
            classes = sorted({label for labels in lists for label in labels})
            return {name: i for i, name in enumerate(classes)}, classes
        import pandas as pd

        table = pd.read_csv(self._path(spec.file, "classes_table.file"), dtype=str, keep_default_na=False)
        for key, column in (("label", spec.label), ("name", spec.name)):
            if column not in table.columns:
                raise TrainableError(
                    f"data.classes_table.{key}: no column {column!r}; {nearest(column, table.columns)}"
                )
        return {label: i for i, label in enumerate(table[spec.label])}, table[spec.name].tolist()

    def _keep(self, classes: list[str], targets: np.ndarray, frame: "pd.DataFrame") -> tuple[list[str], np.ndarray]:
        """Keep the classes that have at least the wanted number of positives in each named split."""
        keep = np.ones(len(classes), dtype=bool)
        for split, least in self.min_positives.items():
            rows = self._official(frame) == SPLITS.index(split)
            keep &= targets[rows].sum(0) >= least
        return [name for name, kept in zip(classes, keep, strict=True) if kept], targets[:, keep]

    def _official(self, frame: "pd.DataFrame") -> np.ndarray:
        """Split codes as the tables give them (all train where they give none)."""
        if self.split_column:
            names = frame[self._column(frame, "split_column")].str.lower()
        elif len(self.tables) > 1:
            names = frame["_part"]
        else:
            return np.zeros(len(frame), dtype=np.uint8)
        unknown = names[~names.isin(list(SPLIT_NAMES))]
        if len(unknown):
            raise TrainableError(
                f"data.split_column: unknown split {unknown.iloc[0]!r}; {nearest(unknown.iloc[0], SPLIT_NAMES)}"
            )
        return names.map(SPLIT_NAMES).to_numpy(np.uint8)

    def _split(self, frame: "pd.DataFrame", targets: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        split = self._official(frame)
        group = None
        if self.group_column:
            group = frame[self._column(frame, "group_column")].to_numpy(str)
        if self.test_fraction:
            rng = np.random.default_rng(FIXED_TEST_SEED)
            split[:] = 0
            split[carve(targets, group, fraction=self.test_fraction, rng=rng)] = 2
        return split, group

    def _decode(self, names: list[str], parts: list[str], size: int) -> np.ndarray:
        mode, channels = ("L", 1) if self.grey else ("RGB", 3)
        readers = {part: _Reader(path) for part, path in self._archives().items()}
        images = np.empty((len(names), size, size, channels), dtype=np.uint8)
        for row, (name, part) in enumerate(zip(names, parts, strict=True)):
            reader = [readers[part]] if part in readers else list(readers.values())
            images[row] = _pixels(reader, name, size, mode)
        return images


class _Reader:
    """Image bytes by id, from a folder or a zip."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = zipfile.ZipFile(path) if path.is_file() else None
        self.members = set(self.archive.namelist()) if self.archive else set()

    def read(self, name: str) -> tuple[str, bytes] | None:
        for suffix in SUFFIXES:
            member = name + suffix
            if self.archive and member in self.members:
                return f"{self.path}:{member}", self.archive.read(member)
            if not self.archive and (self.path / member).is_file():
                return str(self.path / member), (self.path / member).read_bytes()
        return None


def _pixels(readers: list[_Reader], name: str, size: int, mode: str) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    found = next((hit for hit in (reader.read(name) for reader in readers) if hit), None)
    if found is None:
        places = ", ".join(str(reader.path) for reader in readers)
        raise TrainableError(f"data.images: no image {name!r} in {places}; add it or remove its row from the table")
    where, content = found
    if not content:
        raise TrainableError(f"data.images: {where} is empty; replace it or remove its row from the table")
    try:
        with Image.open(io.BytesIO(content)) as image:
            resized = image.convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise TrainableError(
            f"data.images: {where} cannot be decoded ({error}); replace it or remove its row from the table"
        ) from error
    pixels = np.asarray(resized)
    return pixels[..., None] if mode == "L" else pixels


def _listing(path: Path) -> Iterator[str]:
    if path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                for info in sorted(archive.infolist(), key=lambda entry: entry.filename):
                    yield f"{info.filename} {info.file_size} {info.CRC}"
        except zipfile.BadZipFile as error:
            raise TrainableError(f"data.images: {path} is not a zip file ({error}); give a folder or a zip") from error
        return
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield f"{file.relative_to(path)} {file.stat().st_size}"
