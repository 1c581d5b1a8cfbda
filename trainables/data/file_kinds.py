"""What a file is that is neither a table nor images that are read, told by its first bytes, and the way out."""

from pathlib import Path

BEGINS = {
    b"PK\x03\x04": "a zip or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow (Feather) file",
    b"\xff\xff\xff\xff": "a stream of Arrow",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"(\xb5/\xfd": "compressed by zstd",
    b"\x1f\x8b": "compressed by gzip",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
    b"\x80\x02": "a pickle of Python",
    b"\x80\x03": "a pickle of Python",
    b"\x80\x04": "a pickle of Python",
    b"\x80\x05": "a pickle of Python",
    b"\x93NUMPY": "an array of numpy",
    b"\x89HDF": "an HDF5 or MATLAB file",
    b"MATLAB 5": "a MATLAB file",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
}
LATER = {(128, b"DICM"): "a picture (DICOM)", (16, b"\xde\xc0\xef\xbe"): "an LMDB database", (257, b"ustar"): "a tar"}
"""(place, bytes that stand there) -> what it is."""

KINDS_BY_SUFFIX = {".tfrecord": "TFRecords", ".tfrecords": "TFRecords"}
"""Kinds that their first bytes do not tell."""

NUM_BYTES_LOOKED_AT = 300


def kind_of(begins: bytes, path: Path) -> str | None:
    """What a file is, by its first bytes or its suffix; None for a text, and for what is not known."""
    if kind := next((kind for magic, kind in BEGINS.items() if begins.startswith(magic)), None):
        return kind
    later = (kind for (place, magic), kind in LATER.items() if begins[place:].startswith(magic))
    return next(later, KINDS_BY_SUFFIX.get(path.suffix.lower()))
