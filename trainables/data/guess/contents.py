"""What lies in a folder: tables that can be read, folders and archives of images, lists of image ids."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from evenkeel.trainables.data.csv.dialects import Dialect
from evenkeel.trainables.data.csv.folders_of_labels import NO_LABELS
from evenkeel.trainables.data.csv.splitting import SPLIT_NAMES
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.csv.tables import read_table
from evenkeel.trainables.data.image_archives import is_tar
from evenkeel.trainables.data.image_lookup import ImageSource, image_source, is_image
from evenkeel.trainables.data.image_set import SPLITS
from evenkeel.trainables.errors import TrainableError

TABLES = re.compile(r"\.(csv|tsv|txt|json|jsonl|ndjson|parquet|xml|tar|lst)(\.gz)?$", flags=re.I)
LABELS_OF_AN_IMAGE = re.compile(r"\.(txt|xml|json)$", flags=re.I)
ARCHIVES = re.compile(r"\.(zip|tar)$", flags=re.I)
MAX_DEPTH, MAX_TABLES = 4, 100
"""So deep below the folder, and so many files, tables are looked for."""


@dataclass
class Contents:
    """Tables and image sources under `root`; `unread` says which files were no tables, and why."""

    root: Path
    tables: list[Table] = field(default_factory=list)
    sources: list[ImageSource] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """A path as a study file writes it, from `root` on."""
        return path.relative_to(self.root).as_posix()

    @cached_property
    def image_names(self) -> list[str]:
        """The files of all sources, without the name of the source."""
        return [name for source in self.sources for name in source.names if is_image(name)]

    def holds(self, image_id: str, *, loosely: bool = False) -> bool:
        """Whether some source has a file that the id may mean."""
        return any(s.find(image_id) or (loosely and s.find_loosely(image_id)) for s in self.sources)


def look_into(root: Path) -> Contents:
    """The contents of a folder; pictures are listed and not opened."""
    contents = Contents(root)
    for path in sorted(root.iterdir()):
        if not path.name.startswith("."):
            contents.sources += _sources(path)
    if any(is_image(path.name) for path in root.iterdir() if path.suffix):
        contents.sources = [image_source(root, "images")]
    for path in islice(_table_paths(contents), MAX_TABLES):
        _add_table(contents, path)
    named = {table.path for table in contents.tables}
    contents.sources = [source for source in contents.sources if source.path not in named]
    return contents


def split_of(name: str) -> str | None:
    """The split that a word of a file's or folder's name says: `train` of `train2017`, `val` of `valid.csv`."""
    words = re.findall(r"[a-z]+", name.lower().replace("validate", "val"))
    codes = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    return SPLITS[codes[0]] if codes else None


def _sources(path: Path) -> Iterator[ImageSource]:
    if not path.is_dir() and not ARCHIVES.search(path.name):
        return
    try:
        source = image_source(path, "images")
    except TrainableError:
        return
    if any(is_image(name) for name in source.names if "." in name):
        yield source


def _table_paths(contents: Contents) -> Iterator[Path]:
    """Files that may be tables, those of the top first; of a folder with a file of labels an image, the folder."""
    for folder, inner, files in os.walk(contents.root):
        inner.sort()
        place = Path(folder)
        if len(place.relative_to(contents.root).parts) >= MAX_DEPTH:
            inner.clear()
        names = sorted(name for name in files if TABLES.search(name) and name not in NO_LABELS and name[0] != ".")
        labels = [name for name in names if LABELS_OF_AN_IMAGE.search(name)]
        if labels and all(contents.holds(Path(name).stem) for name in labels):
            yield place
        else:
            yield from (place / name for name in names)


def _add_table(contents: Contents, path: Path) -> None:
    try:
        table = read_table(path, "tables", Dialect(), ())
    except TrainableError as error:
        if path.suffix != ".txt" and not (path.is_file() and is_tar(path)):  # a text is mostly a read-me
            contents.unread.append(str(error).removeprefix("data.tables: "))
        return
    if set(table.columns) - set(table.pictures) - {"sample"} or not table.pictures:
        contents.tables.append(table)
