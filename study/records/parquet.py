"""Records that are closed, many to a file: Parquet, one row a trial, which pandas, DuckDB or R read without us.

The column `record` holds the JSON as it stood in the trial's own file; the others answer what is asked often. A file is
named by its number and the hash of its contents, and never changes.
"""

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Iterator
from sys import intern
from typing import Any

from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.record import TrialRecord, parse_json

RECORDS_A_FILE = 2000
"""Records to a file: what a damaged file can cost at most."""
MAX_UNPACKED_BYTES = 2**31
UNREADABLE = (ValueError, OSError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError)
"""What reading a file raises that somebody else wrote; Arrow's own errors are among them."""
RECORDS_A_ROW_GROUP = 200
"""Records to a row group: what a damaged page of a file can cost at most."""


def pack_records(records: Iterable[TrialRecord]) -> bytes:
    """The records as the contents of a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for record in records:
        entry = IndexEntry.from_record(record, [name for name in record.metrics if name.startswith("val_")])
        columns = {name: getattr(entry, name) for name in IndexEntry.__slots__} | {"scores": json.dumps(entry.scores)}
        rows.append(columns | {"record": json.dumps(record.to_json(), allow_nan=False)})
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, compression="zstd", row_group_size=RECORDS_A_ROW_GROUP)
    return buffer.getvalue()


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
