"""Files that lie beside records, as far as a page shows them: of one trial a loss, at its default."""

import zlib
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd

from evenkeel.reports.table.designs import trials_at_default
from evenkeel.reports.table.memo import cached_by_trials
from evenkeel.reports.table.trial_table import facts_of, files_of

MAX_LOSSES_WITH_FILES, MAX_FILE_BYTES = 6, 400_000
"""A page shows files of so many losses, the first of the study, and none that is larger."""

MAX_UNPACKED_BYTES = 2**26
NORMS = [f"{sign}{per}" for sign in ("positive", "negative") for per in ("", "_entry")]
AXES_OF_ARRAYS = {
    "examples.npz": {"targets": "NC", "scores": "NC", "sheet": "B"},
    "gradients.npz": dict.fromkeys(NORMS, "C"),
    "embedding.npz": {"tsne": "N2", "targets": "NC"},
}
"""Of the arrays that a page shows: a letter an axis."""
NO_SUCH_FILE = (OSError, EOFError, ValueError, TypeError, RuntimeError, BadZipFile, zlib.error)
"""What reading a file raises that is lost, damaged, or none of ours."""


class RecordFile(NamedTuple):
    """One file: what it holds, and of which seed it is."""

    seed: int
    content: bytes


def any_trial_has(table: pd.DataFrame, name: str) -> bool:
    """Whether any trial of the study has such a file."""
    return any(name in names for names in files_of(table).names.values())


@cached_by_trials
def files_at_defaults(table: pd.DataFrame, name: str) -> dict[str, RecordFile]:
    """By loss, in order: the file of the trial at the default with the first seed that has one that can be shown.

    An npz file can be shown when its arrays have the axes that AXES_OF_ARRAYS gives them.
    """
    chosen: dict[str, RecordFile] = {}
    for loss in facts_of(table).losses:
        file = _first(table, loss, name)
        if file and len(file.content) <= MAX_FILE_BYTES and len(chosen) < MAX_LOSSES_WITH_FILES:
            chosen[loss] = file
    return chosen


def _first(table: pd.DataFrame, loss: str, name: str) -> RecordFile | None:
    trials, files = trials_at_default(table, loss), files_of(table)
    for row in trials.rows_R[np.argsort(trials.seeds_R, kind="stable")]:
        trial = table.trial_id.iloc[row]
        if name in files.names.get(trial, ()):
            with suppress(*NO_SUCH_FILE):  # another seed's will do
                content = files.read(trial, name)
                if name.endswith(".npz"):
                    _check_axes(npz_arrays(content), AXES_OF_ARRAYS[name], len(facts_of(table).data.classes))
                else:
                    jpeg_size(content)
                return RecordFile(int(table.seed.iloc[row]), content)
    return None


def _check_axes(arrays: dict[str, np.ndarray], axes: Mapping[str, str], num_classes: int) -> None:
    """Raises ValueError for arrays of other axes: C are the classes, equal letters equal lengths, a digit is one."""
    sizes = {"C": num_classes} | {str(digit): digit for digit in range(1, 10)}
    for name, letters in axes.items():
        array = arrays.get(name)
        if array is None or array.ndim != len(letters) or array.dtype.kind not in "biuf":
            raise ValueError(f"{name} is no array of numbers with {len(letters)} axes")
        if any(sizes.setdefault(letter, size) != size for letter, size in zip(letters, array.shape, strict=True)):
            raise ValueError(f"{name} has the shape {array.shape}")


def npz_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name, of any shape [...]. Raises ValueError or BadZipFile for other bytes."""
    with ZipFile(BytesIO(content)) as archive:
        members = archive.infolist()
        if (unpacked := sum(member.file_size for member in members)) > MAX_UNPACKED_BYTES:
            raise ValueError(f"unpacks to {unpacked:,} bytes; at most {MAX_UNPACKED_BYTES:,}")
        return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}


def _array(content: bytes) -> np.ndarray:
    """The array of an npy file, of any shape [...]: what its bytes hold; `np.load` makes room for what it says."""
    stream = BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, kind = read(stream)
    return np.frombuffer(content, kind, offset=stream.tell()).reshape(shape, order="F" if by_columns else "C")


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """(width, height) of a JPEG in pixels, from its start-of-frame segment. Raises ValueError for other bytes."""
    start = 2
    while jpeg[start : start + 1] == b"\xff":
        if 0xC0 <= jpeg[start + 1] <= 0xC2:
            height, width = (int.from_bytes(jpeg[start + i : start + i + 2]) for i in (5, 7))
            return width, height
        start += 2 + int.from_bytes(jpeg[start + 2 : start + 4])
    raise ValueError("not a JPEG")


def provenance(files: Mapping[str, RecordFile], losses: list[str]) -> str:
    """In words: one trial a loss, of which seed; and the losses that are not shown."""
    seeds = sorted({file.seed for file in files.values()})
    missing = [loss for loss in losses if loss not in files]
    left_out = f" Not shown: {', '.join(missing)}." if missing else ""
    return f"One trial per loss, at its default, seed {' or '.join(map(str, seeds))}.{left_out}"
