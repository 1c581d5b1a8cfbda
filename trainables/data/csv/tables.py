"""One door for tables in whatever container: told by content, read by the module that knows it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from evenkeel.trainables.data.checksums import file_line
from evenkeel.trainables.data.csv.dialects import (
    Dialect,
    content_of,
    raw_content,
    reads_otherwise,
    table_of_text,
    text_of,
)
from evenkeel.trainables.data.csv.folders_of_labels import label_files, read_cvat, read_label_folder
from evenkeel.trainables.data.csv.json_tables import is_json, read_json, record_table
from evenkeel.trainables.data.csv.parquet import read_parquet
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.csv.tar_samples import read_samples
from evenkeel.trainables.data.image_archives import TarArchive, is_tar, open_archive
from evenkeel.trainables.errors import TrainableError

PARQUET_MAGIC = b"PAR1"


def read_table(path: Path, key: str, dialect: Dialect, names: Iterable[str]) -> Table:
    """The table at `path`: a text (also compressed by gzip), Parquet, JSON, a tar of samples, or a folder with a file
    of labels an image. `names` are the columns that a study speaks of.

    Raises TrainableError with file, line, rule and way out for whatever would have to be guessed.
    """
    if path.is_dir() and key == "tables":
        return read_label_folder(path, key)
    if is_large(path, key):
        archive = open_archive(path, key) if is_tar(path) else None
        return read_samples(path, key, archive) if isinstance(archive, TarArchive) else read_parquet(path, key)
    content = content_of(path, key)
    text = text_of(content, path, key, dialect.encoding)
    if is_json(text):
        return read_json(path, key, text, {name.split(".")[0] for name in names})
    if re.match(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<annotations", text, flags=re.S):
        return read_cvat(path, key, text)
    heads = {*names, *(name.split(".")[0] for name in names)}
    table = table_of_text(path, key, text, dialect, heads)
    doubtful = dialect.encoding and reads_otherwise(content, dialect.encoding)
    return replace(table, encoding=dialect.encoding) if doubtful else table


def is_large(path: Path, key: str) -> bool:
    """Whether a file is Parquet or a tar, which may hold images and are not read whole. Raises TrainableError."""
    try:
        with path.open("rb") as file:
            return file.read(4) == PARQUET_MAGIC or is_tar(path)
    except OSError as error:
        raise TrainableError(f"data.{key}: {path} cannot be read ({error.strerror}); give a table") from error


def table_content(path: Path, key: str) -> Iterator[bytes]:
    """What of a table decides a result: its bytes; of a large one, or of a folder, the checksums of its files.

    Raises TrainableError.
    """
    if path.is_dir() and key == "tables":
        for file in label_files(path, key):
            yield f"{file.relative_to(path).as_posix()} {file_line(file)}".encode()
    else:
        yield file_line(path).encode() if is_large(path, key) else raw_content(path, key)


def read_class_list(path: Path, key: str, encoding: str | None, names: Iterable[str]) -> Table:
    """A table of classes; also a list of names, a line each, or YOLO's data.yaml, as columns `number` and `name`.

    Raises TrainableError.
    """
    if path.suffix in (".yaml", ".yml"):
        listed = _names_in_yaml(path, key)
    elif path.suffix in (".txt", ".names"):
        lines = [line.strip() for line in text_of(content_of(path, key), path, key, encoding).splitlines()]
        listed = dict(enumerate(filter(None, lines)))
        if {*names} <= {*re.split(r"[,;\t| ]+", lines[0] if lines else "")}:
            return read_table(path, key, Dialect(encoding=encoding), names)
    else:
        return read_table(path, key, Dialect(encoding=encoding), names)
    records = [{"number": number, "name": name} for number, name in listed.items()]
    return record_table(path, records, list(range(1, len(records) + 1)), unit="class")


def _names_in_yaml(path: Path, key: str) -> dict[int, str]:
    import yaml

    try:
        names = yaml.safe_load(content_of(path, key)).get("names")
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError) as error:
        raise TrainableError(f"data.{key}: {path} cannot be read as YAML ({error})".replace("\n", " ")) from error
    if isinstance(names, list):
        return dict(enumerate(map(str, names)))
    if isinstance(names, dict) and names:
        return {number: str(name) for number, name in names.items()}
    raise TrainableError(f"data.{key}: {path} has no names; give `names: [a, b]` as YOLO's data.yaml does")
