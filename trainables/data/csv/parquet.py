"""Tables of Parquet, with lists, objects and pictures in their cells, as data hubs publish them."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from evenkeel.trainables.data.csv.table import Table, cell_of
from evenkeel.trainables.data.image_archives import ParquetPictures
from evenkeel.trainables.errors import TrainableError

ClassNames: TypeAlias = "list[str] | dict[str, ClassNames] | None"
"""The names of class numbers; of an object with several fields by field."""


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
            pictures = [name for name in picture_columns(schema) if not _bytes_are_elsewhere(file, name)]
            names = [name for name in schema.names if name not in pictures and not _holds_pictures(schema, name)]
            values = file.read(columns=names).to_pydict()
            num = file.metadata.num_rows
            for name in pictures:
                values[name] = picture_names(file, path, name)
    except (pa.ArrowException, OSError) as error:
        raise TrainableError(f"data.{key}: {path} is no Parquet file that can be read ({error})") from error
    if not num:
        raise TrainableError(f"data.{key}: {path} has no rows; give a row an image")
    labels = class_labels(schema)
    for name in {*picture_columns(schema)} - {*pictures}:
        values[name] = [item and item["path"] for item in values[name]]
    kept = [name for name in schema.names if name in values]
    cells = {name: [cell_of(_named(v, labels.get(name))) for v in values[name]] for name in kept}
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    archives = {name: ParquetPictures(path, name, values[name]) for name in pictures}
    return Table(path, kept, rows, list(range(1, num + 1)), "Parquet", unit="row", pictures=archives)


def picture_columns(schema: Any) -> list[str]:
    """The columns that hold pictures: bytes, or a pair of bytes and path."""
    return [field.name for field in schema if _is_picture(field.type)]


def _is_picture(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind) and {kind.field(i).name for i in range(kind.num_fields)} <= {"bytes", "path"}:
        return kind.get_field_index("bytes") >= 0 and _is_picture(kind.field("bytes").type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_pictures(schema: Any, column: str) -> bool:
    """Whether the cells of a column are lists of pictures, of which none is that of its row."""
    kind = schema.field(column).type
    return hasattr(kind, "value_type") and _is_picture(kind.value_type)


def _bytes_are_elsewhere(file: Any, column: str) -> bool:
    """Whether a column of bytes and path holds paths alone, by what the file says of its parts."""
    (place,) = [i for i in range(len(file.schema)) if file.schema.column(i).path in (column, f"{column}.bytes")]
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    if file.schema.column(place).path == column:
        return False
    counts = [(group.column(place).statistics, group.num_rows) for group in groups]
    return all(statistics and statistics.null_count == num for statistics, num in counts)


def picture_names(file: Any, path: Path, column: str) -> list[str]:
    """A name for each row's picture: its number in the file, before the file name that is kept with it."""
    names = [""] * file.metadata.num_rows
    if f"{column}.path" in {file.schema.column(i).path for i in range(len(file.schema))}:
        names = [item["path"] or "" for item in file.read(columns=[f"{column}.path"]).column(column).to_pylist()]
    return [f"{path.stem}/{row}/{Path(name).name}" if name else f"{path.stem}/{row}" for row, name in enumerate(names)]


def class_labels(schema: Any) -> dict[str, ClassNames]:
    """Column -> names of its class numbers, as the library `datasets` notes them in a schema."""
    noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = noted.get("info", {}).get("features", {})
    return {column: names for column, feature in features.items() if (names := _class_names(feature))}


def _class_names(feature: Any) -> ClassNames:
    """The names that a feature notes: of a list those of its items, of an object by its keys."""
    if isinstance(feature, list):
        return _class_names(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel":
        return feature.get("names") or None
    if isinstance(feature.get("feature"), dict | list):
        return _class_names(feature["feature"])
    named: dict[str, ClassNames] = {key: names for key, inner in feature.items() if (names := _class_names(inner))}
    return named or None


def _named(value: Any, names: ClassNames) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(names, dict):
        return {k: _named(v, names.get(k)) for k, v in value.items()} if isinstance(value, dict) else value
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
