"""Tables of Parquet, with lists, objects and pictures in their cells, as data hubs publish them."""

import json
from pathlib import Path
from typing import Any

from evenkeel.trainables.data.csv.table import Table, cell_of
from evenkeel.trainables.data.image_archives import ParquetPictures
from evenkeel.trainables.errors import TrainableError


def read_parquet(path: Path, key: str) -> Table:
    """The table of a Parquet file. A column of pictures (bytes, or bytes and path) reads as the names by which
    `ParquetPictures` gives them.

    Raises TrainableError for a file that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            pictures = picture_columns(schema)
            names = [name for name in schema.names if name not in pictures]
            values = file.read(columns=names).to_pydict()
            num = file.metadata.num_rows
            for name in pictures:
                values[name] = picture_names(file, path, name)
    except (pa.ArrowException, OSError) as error:
        raise TrainableError(f"data.{key}: {path} is no Parquet file that can be read ({error})") from error
    if not num:
        raise TrainableError(f"data.{key}: {path} has no rows; give a row an image")
    labels = class_labels(schema)
    cells = {name: [cell_of(_named(v, labels.get(name))) for v in values[name]] for name in schema.names}
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    archives = {name: ParquetPictures(path, name, values[name]) for name in pictures}
    return Table(path, list(schema.names), rows, list(range(1, num + 1)), "Parquet", unit="row", pictures=archives)


def picture_columns(schema: Any) -> list[str]:
    """The columns that hold pictures: bytes, or a pair of bytes and path."""
    import pyarrow.types as types

    def holds_bytes(kind: Any) -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind)

    def is_picture(kind: Any) -> bool:
        pair = types.is_struct(kind) and {"bytes", "path"} >= {kind.field(i).name for i in range(kind.num_fields)}
        return holds_bytes(kind) or (pair and holds_bytes(kind.field("bytes").type))

    return [field.name for field in schema if is_picture(field.type)]


def picture_names(file: Any, path: Path, column: str) -> list[str]:
    """A name for each row's picture: its number in the file, before the file name that is kept with it."""
    names = [""] * file.metadata.num_rows
    if f"{column}.path" in {file.schema.column(i).path for i in range(len(file.schema))}:
        names = [item["path"] or "" for item in file.read(columns=[f"{column}.path"]).column(column).to_pylist()]
    return [f"{path.stem}/{row}/{Path(name).name}" if name else f"{path.stem}/{row}" for row, name in enumerate(names)]


def class_labels(schema: Any) -> dict[str, list[str]]:
    """Column -> names of its class numbers, as the library `datasets` notes them in a schema."""
    noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = noted.get("info", {}).get("features", {})
    names = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" and inner.get("names"):
            names[column] = inner["names"]
    return names


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
