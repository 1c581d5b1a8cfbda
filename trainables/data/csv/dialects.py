"""A table of text in the dialects in which people publish theirs: read rightly, or refused with file and line."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from evenkeel.trainables.data.csv.table import DELIMITERS, Table
from evenkeel.trainables.data.file_kinds import NUM_BYTES_LOOKED_AT, kind_of
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.errors import TrainableError

NO_TABLE = {
    r"<(!doctype|html|\?xml)": "a page of HTML or XML",
    r"version https://git-lfs": "a pointer of Git LFS to a file that was not fetched",
}
"""How a text begins that is no table."""
MAX_TABLE_BYTES = 2**32
GZIP_MAGIC = b"\x1f\x8b"

BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True)
class Dialect:
    """What a user may say of a table: its delimiter, its encoding, its column names if it has no header line.

    `first` is what its first column is called where the header names all but that one.
    """

    delimiter: str | None = None
    encoding: str | None = None
    columns: tuple[str, ...] | None = None
    first: str | None = None


def table_of_text(path: Path, key: str, text: str, dialect: Dialect, names: Iterable[str]) -> Table:
    """The table that a text is; its delimiter, if not given, is the one that makes the header hold most of `names`.

    Raises TrainableError with file, line, rule and way out for whatever would have to be guessed.
    """
    if kind := next((kind for begins, kind in NO_TABLE.items() if re.match(rf"\s*{begins}", text, flags=re.I)), None):
        raise TrainableError(f"data.{key}: {path} is {kind}, not a table; give a table as CSV (UTF-8)")
    separator, text, skipped = _separator_line(text)
    text, skipped = _without_count(text, skipped)
    explicit = DELIMITERS.get(dialect.delimiter or "", dialect.delimiter) or separator
    delimiter = explicit or _found_delimiter(path, key, text, dialect.columns, set(names))
    records = list(_records(path, key, text, delimiter, skipped))
    if not records:
        raise TrainableError(f"data.{key}: {path} is empty; give a table with a header line and a row an image")
    header = list(dialect.columns or _trimmed(records.pop(0)[1], 0))
    if dialect.first and not dialect.columns and dialect.first not in header and _names_all_but_one(header, records):
        header = [dialect.first, *header]
    return _checked(path, key, header, records, delimiter)


def reads_otherwise(content: bytes, encoding: str) -> bool:
    """Whether the file is UTF-8 as well, and says something else then."""
    try:
        return content.decode("utf-8-sig") != content.decode(encoding)
    except UnicodeError:
        return False


def _checked(path: Path, key: str, header: list[str], records: list[tuple[int, list[str]]], delimiter: str) -> Table:
    rows, lines, wrong = [], [], []
    num_headers = 0
    for line, fields in records:
        cells = _trimmed(fields, len(header))
        if cells == header:
            num_headers += 1
        elif len(cells) != len(header):
            wrong.append((line, len(cells)))
        else:
            rows.append(cells)
            lines.append(line)
    if wrong:
        line, num = wrong[0]
        more = f" (so are lines {first_few(other for other, _ in wrong[1:])})" if len(wrong) > 1 else ""
        way = f"quote fields that hold {delimiter!r}, or name another delimiter with data.delimiter"
        if not rows:
            way = (
                f"the header line must be the first, which reads {first_few(map(repr, header))} (a table without one "
                f"has its names from data.columns); or {way}"
            )
        raise TrainableError(
            f"data.{key}: {path}, line {line} has {plural(num, 'field')}, {len(header)} expected{more}; {way}"
        )
    if not rows:
        raise TrainableError(f"data.{key}: {path} has a header line and no rows; give a row an image")
    return Table(path, header, rows, lines, f"delimiter {delimiter!r}", num_headers)


def _trimmed(fields: list[str], least: int) -> list[str]:
    """Cells without blanks around them and without empty ones at the end beyond `least`."""
    cells = [field.strip() for field in fields]
    while len(cells) > least and not cells[-1]:
        cells.pop()
    return cells


def content_of(path: Path, key: str) -> bytes:
    """The bytes of a file, of one that is compressed by gzip what it holds. Raises TrainableError."""
    content = raw_content(path, key)
    try:
        return _unpacked(content) if content.startswith(GZIP_MAGIC) else content
    except OverflowError as error:
        raise TrainableError(
            f"data.{key}: {path} unpacks to more than {MAX_TABLE_BYTES:,} bytes; unpack it, and give what is needed"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise TrainableError(f"data.{key}: {path} is damaged ({error}); fetch it again") from error


def _unpacked(content: bytes) -> bytes:
    """Raises OverflowError for more than MAX_TABLE_BYTES, as soon as so many are there."""
    with gzip.GzipFile(fileobj=BytesIO(content)) as file:
        text = file.read(MAX_TABLE_BYTES + 1)
    if len(text) > MAX_TABLE_BYTES:
        raise OverflowError
    return text


def raw_content(path: Path, key: str) -> bytes:
    """The bytes of a file, as they lie there. Raises TrainableError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainableError(f"data.{key}: {path} cannot be read ({error.strerror}); give a file of text") from error


def read_text(path: Path, key: str, encoding: str | None) -> str:
    """The text of a file, in `encoding` or what its first bytes say. Raises TrainableError."""
    return text_of(content_of(path, key), path, key, encoding)


def text_of(content: bytes, path: Path, key: str, encoding: str | None) -> str:
    """The text that bytes are, in `encoding` or what the first of them say. Raises TrainableError."""
    if kind := kind_of(content[:NUM_BYTES_LOOKED_AT], path):
        packed = kind == "a tar"  # a plain one was read as such
        way = "unpack it" if packed else "save it as CSV (UTF-8) or Parquet"
        raise TrainableError(f"data.{key}: {path} is {'a compressed tar' if packed else kind}, not a text; {way}")
    chosen = encoding or next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(chosen)
    except UnicodeError as error:
        position = getattr(error, "start", 0)
        line = content.count(b"\n", 0, position) + 1
        raise TrainableError(
            f"data.{key}: {path} is not {chosen.upper()}: byte 0x{content[position]:02x} in line {line}; save it "
            "as UTF-8, or name its encoding, for example data.encoding: cp1252"
        ) from error
    if codecs.lookup(chosen).name.startswith(("utf-16", "utf-32")) and b"\0" not in content:
        raise TrainableError(f"data.encoding: {path} is not {chosen.upper()}, it holds no NUL; leave data.encoding out")
    if "\0" in text:
        raise TrainableError(f"data.{key}: {path} holds NULs; save it as UTF-8, or give data.encoding: utf-16")
    return text.removeprefix("\ufeff")


def _separator_line(text: str) -> tuple[str | None, str, int]:
    """The delimiter of a first line `sep=;`, as spreadsheets write it, the text after it, and the lines left out."""
    match = re.match(r'"?sep=(.)"?[ \t]*\r?\n', text)
    return (match[1], text[match.end() :], 1) if match else (None, text, 0)


def _without_count(text: str, skipped: int) -> tuple[str, int]:
    """The text without a first line that holds the number of its rows (CelebA's lists), and the lines left out."""
    match = re.match(r"\s*(\d+)[ \t]*\r?\n", text)
    if not match:
        return text, skipped
    num_lines = sum(bool(line.strip()) for line in text[match.end() :].splitlines())
    counts = int(match[1]) in (num_lines, num_lines - 1)  # with and without a header line
    return (text[match.end() :], skipped + text.count("\n", 0, match.end())) if counts else (text, skipped)


def _names_all_but_one(header: list[str], records: list[tuple[int, list[str]]]) -> bool:
    """Whether each row has one field more than there are names, as R writes the names of rows."""
    return bool(records) and all(len(_trimmed(fields, len(header))) == len(header) + 1 for _, fields in records)


def _found_delimiter(path: Path, key: str, text: str, columns: tuple[str, ...] | None, names: set[str]) -> str:
    best, most = ",", 0
    for delimiter in DELIMITERS.values():
        first = _first_record(path, key, text, delimiter)
        if columns:
            fits = int(len(_trimmed(first, 0)) == len(columns))
        else:
            fits = len(names & {field.strip() for field in first})
        if fits > most:
            best, most = delimiter, fits
    if most == 0:
        widths = {d: len(_first_record(path, key, text, d)) for d in DELIMITERS.values() if d != " "}
        best = max(widths, key=lambda delimiter: widths[delimiter])
    return best


def _first_record(path: Path, key: str, text: str, delimiter: str) -> list[str]:
    lines = (line for line in io.StringIO(text, newline="") if line.strip())
    head = next(lines, "")
    try:
        return next((fields for _, fields in _records(path, key, head, delimiter, 0)), [])
    except TrainableError:
        return []


def _records(path: Path, key: str, text: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every line that is not blank."""
    if delimiter == " ":
        text = "\n".join(re.sub(r"[ \t]+", "\t", line.strip()) for line in io.StringIO(text, newline=None))
        delimiter = "\t"
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    line = 0
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield line + 1 + skipped, fields
            line = reader.line_num
    except csv.Error as error:
        raise TrainableError(
            f"data.{key}: {path}, line {line + 1 + skipped}: {error}; close or double the quotes of this field"
        ) from error
