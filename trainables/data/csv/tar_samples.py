"""Tars of samples (WebDataset): members that differ in their suffix alone belong to one sample."""

from pathlib import Path

from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.image_archives import TarArchive
from evenkeel.trainables.data.image_lookup import is_image
from evenkeel.trainables.errors import TrainableError

ANY_IMAGE = "image"
SAMPLE_KEY = "__key__"
"""The column of what the members of a sample have in common; their suffixes are the other columns."""


def read_samples(path: Path, key: str, archive: TarArchive) -> Table:
    """The samples of a tar: cells are the texts of their members; an image's cell is its name in the tar.

    `image` is a sample's image, whatever its suffix. Members that are neither image nor text are left alone. Raises
    TrainableError for a tar without images.
    """
    samples: dict[str, dict[str, str | None]] = {}
    for name in archive.names:
        folder, slash, base = name.rpartition("/")
        stem, _, suffix = base.partition(".")
        if not stem or not suffix:
            continue
        sample = samples.setdefault(f"{folder}{slash}{stem}", {})
        sample[suffix.lower()] = name if is_image(name) else _text(archive.read(name))
        if is_image(name):
            sample.setdefault(ANY_IMAGE, name)
    columns = list(dict.fromkeys(suffix for s in samples.values() for suffix, cell in s.items() if cell is not None))
    pictures = {suffix: archive for suffix in columns if suffix == ANY_IMAGE or is_image(f"x.{suffix}")}
    if not pictures:
        raise TrainableError(f"data.{key}: {path} is a tar without images; give one of samples, or a table")
    rows = [[name, *(sample.get(column) or "" for column in columns)] for name, sample in samples.items()]
    return Table(
        path, [SAMPLE_KEY, *columns], rows, list(range(1, len(rows) + 1)), "tar", unit="sample", pictures=pictures
    )


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
