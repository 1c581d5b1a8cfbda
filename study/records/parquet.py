"""Records that are closed, many to a file: Parquet, one row a trial, which pandas, DuckDB or R read without us.

The column `record` holds the JSON as it stood in the trial's own file; the others answer what is asked often: `head` is
that JSON without numbers, `metrics.NAME`, `images.NAME` and `classes.NAME` the numbers that a report needs. A file is
named by its number and the hash of its contents, and never changes.
"""

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Iterator
from sys import intern
from typing import Any, NamedTuple

import numpy as np

from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.record import TrialRecord, finite, parse_json

RECORDS_A_FILE = 2000
"""Records to a file: what a damaged file can cost at most."""
MAX_UNPACKED_BYTES = 2**31
UNREADABLE = (ValueError, OSError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError)
"""What reading a file raises that somebody else wrote; Arrow's own errors are among them."""
RECORDS_A_ROW_GROUP = 200
"""Records to a row group: what a damaged page of a file can cost at most."""
NUMBERS = ("metrics", "per_class", "images", "curves", "sum")
"""Fields that `head` is without."""
ARRAYS = ("images.", "classes.")


def pack_records(records: Iterable[TrialRecord]) -> bytes:
    """The records as the contents of a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records, rows = list(records), []
    for record in records:
        entry = IndexEntry.from_record(record, [name for name in record.metrics if name.startswith("val_")])
        columns = {name: getattr(entry, name) for name in IndexEntry.__slots__} | {"scores": json.dumps(entry.scores)}
        contents = record.to_json()
        head = {name: value for name, value in contents.items() if name not in NUMBERS}
        rows.append(columns | {"record": json.dumps(contents, allow_nan=False), "head": json.dumps(head)})
    table = pa.Table.from_pylist(rows)
    for name, column in _number_columns(records).items():
        table = table.append_column(name, column)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=RECORDS_A_ROW_GROUP)
    return buffer.getvalue()


class Block(NamedTuple):
    """R records read together, without numbers but for those that a report needs: `metrics` [R] by name, `arrays` by
    column (`images.NAME`, `classes.NAME`), one or None a record. Both None: the records hold their numbers."""

    records: list[TrialRecord]
    metrics: dict[str, np.ndarray] | None = None
    arrays: dict[str, list[np.ndarray | None]] | None = None


def read_block(content: bytes) -> Block:
    """A whole file; what was written before there were columns of numbers is read from JSON."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(content))
    columns = [name for name in file.schema_arrow.names if name == "head" or name.startswith(("metrics.", *ARRAYS))]
    if "head" not in columns:
        return Block(list(records(content)))
    table = file.read(columns=columns)
    return Block(
        [TrialRecord.from_json(head, checked=True) for head in _all(table["head"].to_pylist())],
        {n.removeprefix("metrics."): table[n].to_numpy() for n in columns if n.startswith("metrics.")},
        {n: _arrays(table[n].combine_chunks()) for n in columns if n.startswith(ARRAYS)},
    )


def _number_columns(records: list[TrialRecord]) -> dict[str, Any]:
    """Column name -> what records have under it, as Arrow holds it; null for one that has nothing."""
    import pyarrow as pa

    metrics = sorted({name for record in records for name in record.metrics})
    arrays = [
        {f"images.{name}": values for name, values in record.images.items()}
        | {f"classes.{name}": values for name, values in scores_of_classes(record).items()}
        for record in records
    ]
    names = sorted({name for by_name in arrays for name in by_name})
    return {f"metrics.{n}": pa.array([finite(r.metrics.get(n)) for r in records], pa.float64()) for n in metrics} | {
        name: pa.array([finite(by_name.get(name)) for by_name in arrays], pa.list_(pa.float64())) for name in names
    }


def scores_of_classes(record: TrialRecord) -> dict[str, list[float | None]]:
    """What a report shows of each class: the scores on test of a sweep, and of a loss that has nothing to vary."""
    if record.trial.design != "sweep" and record.trial.hyperparameters:
        return {}
    return {name: values for name, values in record.per_class.items() if name.startswith("test_")}


def _arrays(lists: Any) -> list[np.ndarray | None]:
    """An Arrow array of lists of numbers as one NumPy array a list; None for null."""
    values, ends = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()
    return [
        values[a:b] if valid else None
        for a, b, valid in zip(ends[:-1], ends[1:], lists.is_valid().to_pylist(), strict=True)
    ]


def file_name(number: int, content: bytes) -> str:
    """Number, then the hash by which damage shows."""
    return f"{number:06d}-{_hash(content)}.parquet"


def is_intact(name: str, content: bytes) -> bool:
    """Whether a file holds what was written under its name."""
    return name.rpartition("/")[2].removesuffix(".parquet").rpartition("-")[2] == _hash(content)


def read_entries(content: bytes, scores: Collection[str] = ()) -> list[IndexEntry]:
    """The entries of a whole file, with the named scores."""
    rows = _rows(content, [name for name in IndexEntry.__slots__ if scores or name != "scores"])
    contents = [_repeated(row) | {"scores": {}} for row in rows]
    if scores:
        for entry, all_scores in zip(contents, _all(row["scores"] for row in rows), strict=True):
            entry["scores"] = {name: all_scores[name] for name in scores if name in all_scores}
    return [IndexEntry(**entry) for entry in contents]


def _rows(content: bytes, columns: list[str]) -> list[dict[str, Any]]:
    """These columns, row by row. Raises what is in UNREADABLE, for a file that says more than one of ours as well."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(content))
    sizes = [file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)]
    if file.metadata.num_rows > RECORDS_A_FILE or sum(sizes) > MAX_UNPACKED_BYTES:
        raise ValueError(f"{file.metadata.num_rows:,} records in {sum(sizes):,} bytes; at most {RECORDS_A_FILE:,}")
    return file.read(columns).to_pylist()


def _repeated(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose words, but for its id, are kept once however many rows have them."""
    return {name: intern(value) if isinstance(value, str) and name != "id" else value for name, value in row.items()}


def records(content: bytes) -> Iterator[TrialRecord]:
    """The records of a whole file."""
    for contents in _all(row["record"] for row in _rows(content, ["record"])):
        yield TrialRecord.from_json(contents, checked=True)


def salvage(content: bytes) -> list[TrialRecord]:
    """What can still be trusted of a damaged file: records whose own hash is right."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    good: list[TrialRecord] = []
    try:
        file = pq.ParquetFile(io.BytesIO(content))
    except (OSError, ValueError, pa.ArrowException):
        return good
    for group in range(min(file.num_row_groups, RECORDS_A_FILE)):
        try:
            texts = file.read_row_group(group, columns=["record"])["record"].to_pylist()
        except (OSError, ValueError, pa.ArrowException):
            continue
        for text in texts:
            try:
                good.append(TrialRecord.from_json(parse_json(text)))
            except ValueError:
                continue
    return good


def _all(texts: Iterable[str]) -> list[Any]:
    """Many JSON texts read as one, so that equal keys are one string in memory."""
    return parse_json(f"[{','.join(texts)}]")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
