"""Files that lie beside records, as far as a page shows them: of one trial a loss, at its default."""

from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from evenkeel.reports.table.designs import at_default
from evenkeel.reports.table.memo import remembered_of_trials
from evenkeel.reports.table.trial_table import facts_of, files_of

MOST_LOSSES, MOST_BYTES = 6, 400_000
"""A page shows files of so many losses, the first of the study, and none that is larger."""


class Kept(NamedTuple):
    """One file: what it holds, and whose it is."""

    seed: int
    content: bytes


def has_any(table: pd.DataFrame, name: str) -> bool:
    """Whether any trial of the study has such a file."""
    return any(name in of for of in files_of(table).names.values())


@remembered_of_trials
def kept(table: pd.DataFrame, name: str) -> dict[str, Kept]:
    """By loss, in order: the file of the trial at the default with the first seed that has one."""
    found: dict[str, Kept] = {}
    for loss in facts_of(table).losses:
        one = _first(table, loss, name)
        if one and len(one.content) <= MOST_BYTES and len(found) < MOST_LOSSES:
            found[loss] = one
    return found


def _first(table: pd.DataFrame, loss: str, name: str) -> Kept | None:
    placed, files = at_default(table, loss), files_of(table)
    for row in placed.rows_R[np.argsort(placed.seeds_R, kind="stable")]:
        trial = table.trial_id.iloc[row]
        if name in files.names.get(trial, ()):
            with suppress(OSError, EOFError, ValueError, BadZipFile):  # lost or damaged: another seed's will do
                content = files.read(trial, name)
                (arrays if name.endswith(".npz") else jpeg_size)(content)
                return Kept(int(table.seed.iloc[row]), content)
    return None


def arrays(content: bytes) -> dict[str, np.ndarray]:
    """What an npz file holds."""
    with np.load(BytesIO(content), allow_pickle=False) as found:
        return dict(found)


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """(width, height) of a JPEG, from its start-of-frame segment. Raises ValueError for other bytes."""
    at = 2
    while jpeg[at : at + 1] == b"\xff":
        if 0xC0 <= jpeg[at + 1] <= 0xC2:
            height, width = int.from_bytes(jpeg[at + 5 : at + 7]), int.from_bytes(jpeg[at + 7 : at + 9])
            return width, height
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    raise ValueError("not a JPEG")


def whose(found: Mapping[str, Kept], losses: list[str]) -> str:
    """In words: one trial a loss, of which seed; and the losses that are not shown."""
    seeds = sorted({one.seed for one in found.values()})
    missing = [loss for loss in losses if loss not in found]
    left_out = f" Not shown: {', '.join(missing)}." if missing else ""
    return f"One trial a loss, at its default, seed {' or '.join(map(str, seeds))}.{left_out}"
