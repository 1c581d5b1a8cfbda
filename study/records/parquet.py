"""Records that are closed, many to a file: Parquet, one row a trial, which pandas, DuckDB or R read without us.

The column `record` holds the JSON as it stood in the trial's own file; the others answer what is asked often: who the
trial is (`label`, `seed`, `setting`, ...), and in `metrics.NAME`, `images.NAME` and `classes.NAME` the numbers that a
report needs. A file is named by its number and the hash of its contents, and never changes.
"""

import io
import json
from collections.abc import Collection, Iterable, Iterator
from sys import intern
from typing import Any, NamedTuple

import numpy as np

from evenkeel.study.records.hashed_names import hashed_name
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.record import TrialRecord, finite
from evenkeel.study.records.typed_json import parse_json

RECORDS_A_FILE = 2000
"""Records to a file: what a damaged file can cost at most."""
MAX_UNPACKED_BYTES = 2**31
UNREADABLE = (ValueError, OSError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError)
"""What reading a file raises that somebody else wrote; Arrow's own errors are among them."""
RECORDS_A_ROW_GROUP = 200
"""Records to a row group: what a damaged page of a file can cost at most."""
ARRAYS = ("images.", "classes.")
OF_TRIAL = ("loss", "seed", "group", "moved", "proposal")
OF_RECORD = ("epochs_done", "host", "note", "loss_path", "shared")
AS_JSON = ("setting", "versions", "machine", "files")
"""Columns of mappings, as JSON."""
IN_INDEX = ("id", "label", "design", "state", "wall_s")
TRIAL_COLUMNS = (*IN_INDEX, *OF_TRIAL, *OF_RECORD, *AS_JSON)
"""Columns that say which trial it is and how it ran."""


def pack_records(records: Iterable[TrialRecord]) -> bytes:
    """The records as the contents of a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = list(records)
    table = pa.Table.from_pylist([_row(record) for record in records], _schema())
    numbers = _number_columns(records)
    for name, column in numbers.items():
        table = table.append_column(name, column)
    words = [name for name in table.column_names if name not in numbers and name not in ("record", "id")]
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=RECORDS_A_ROW_GROUP, use_dictionary=words)
    return buffer.getvalue()


def _schema() -> Any:
    """The columns that are no numbers, and what is in them: text, unless said otherwise."""
    import pyarrow as pa

    numbers = {"wall_s": pa.float64()} | dict.fromkeys(("seed", "group", "proposal", "epochs_done"), pa.int64())
    names = dict.fromkeys((*IndexEntry.__slots__, *TRIAL_COLUMNS, "record"))
    return pa.schema([(name, numbers.get(name, pa.string())) for name in names])


def _row(record: TrialRecord) -> dict[str, Any]:
    trial = record.trial
    entry = IndexEntry.from_record(record, [name for name in record.metrics if name.startswith("val_")])
    row = {name: getattr(entry, name) for name in IndexEntry.__slots__} | {"scores": json.dumps(entry.scores)}
    row |= {name: getattr(trial, name) for name in OF_TRIAL} | {name: getattr(record, name) for name in OF_RECORD}
    maps = {name: trial.setting if name == "setting" else getattr(record, name) for name in AS_JSON}
    row |= {name: json.dumps(mapping) for name, mapping in maps.items()}
    return row | {"record": json.dumps(record.to_json(), allow_nan=False)}


class Block(NamedTuple):
    """R records by column, as a report needs them: `facts` are TRIAL_COLUMNS, `metrics` [R] stand by name, `arrays` by
    column (`images.NAME`, `classes.NAME`), one or None a record."""

    facts: dict[str, list[Any]]
    metrics: dict[str, np.ndarray]
    arrays: dict[str, list[np.ndarray | None]]


def read_block(content: bytes, mappings: dict[str, dict[str, Any]]) -> Block | list[TrialRecord]:
    """A whole file; what was written before there were these columns is read record by record.

    `mappings` keeps what a text of JSON says, for all files that are read: many trials have one setting.
    """
    file = _opened(content)
    if not set(TRIAL_COLUMNS) <= set(file.schema_arrow.names):
        return list(records(content))
    numbers = [name for name in file.schema_arrow.names if name.startswith(("metrics.", *ARRAYS))]
    table = file.read([*TRIAL_COLUMNS, *numbers], use_threads=False)
    facts = {name: _values(table[name].combine_chunks()) for name in TRIAL_COLUMNS}
    facts |= {name: [_mapping(text, mappings) for text in facts[name]] for name in AS_JSON}
    return Block(
        facts,
        {n.removeprefix("metrics."): table[n].to_numpy() for n in numbers if n.startswith("metrics.")},
        {n: _arrays(table[n].combine_chunks()) for n in numbers if n.startswith(ARRAYS)},
    )


def _values(column: Any) -> list[Any]:
    """The values of an Arrow array; equal ones are one object, None is null."""
    coded = column.dictionary_encode()
    values = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    return list(values[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _mapping(text: str, mappings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if text not in mappings:
        mapping = parse_json(text)
        if not isinstance(mapping, dict):
            raise ValueError(f"{text[:40]} is no mapping")
        mappings[text] = mapping
    return mappings[text]


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
        name: pa.array([finite(by_name.get(name)) for by_name in arrays], pa.list_(_precision(name))) for name in names
    }


def _precision(name: str) -> Any:
    """What numbers of a column of arrays are held by; `record` has all their digits."""
    import pyarrow as pa

    return pa.float32() if name.startswith("images.") else pa.float64()


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
    """What the file of this number and these contents is called."""
    return hashed_name(f"{number:06d}", content, ".parquet")


def read_entries(content: bytes, scores: Collection[str] = ()) -> list[IndexEntry]:
    """The entries of a whole file, with the named scores."""
    rows = _rows(content, [name for name in IndexEntry.__slots__ if scores or name != "scores"])
    contents = [_repeated(row) | {"scores": {}} for row in rows]
    if scores:
        for entry, all_scores in zip(contents, _all(row["scores"] for row in rows), strict=True):
            entry["scores"] = {name: all_scores[name] for name in scores if name in all_scores}
    return [IndexEntry(**entry) for entry in contents]


def _rows(content: bytes, columns: list[str]) -> list[dict[str, Any]]:
    """These columns, row by row. Raises what is in UNREADABLE."""
    return _opened(content).read(columns).to_pylist()


def _opened(content: bytes) -> Any:
    """The file. Raises what is in UNREADABLE, for one that says more than one of ours as well."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(content))
    sizes = [file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)]
    if file.metadata.num_rows > RECORDS_A_FILE or sum(sizes) > MAX_UNPACKED_BYTES:
        raise ValueError(f"{file.metadata.num_rows:,} records in {sum(sizes):,} bytes; at most {RECORDS_A_FILE:,}")
    return file


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
