"""What the page carries compressed: figures, and all trials by column. Base64, so no text can break out."""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from evenkeel.reports.table.seed_grid import column_values, group_numbers
from evenkeel.reports.table.trial_table import CLASSES, IDENTITY, IMAGES
from evenkeel.reports.verdict.convergence import RISE

SIGNIFICANT_DIGITS = 6
SCORE_DIGITS = 5
"""Decimal places of a score: `evenkeel export` gives all of them."""
LEAST_COMPACT_SCORE = 0.01
"""A score below it would lose digits in a column of scores."""


def packed(contents: Any) -> str:
    """JSON, gzip, base64; the same contents give the same bytes. Of a mapping, one member at a time is text."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    compressed = [compressor.compress(text.encode()) for text in _texts(contents)]
    return base64.b64encode(b"".join([*compressed, compressor.flush()])).decode("ascii")


def _texts(contents: Any) -> Iterator[str]:
    if not isinstance(contents, Mapping) or not contents:
        yield _text(contents)
        return
    for number, (name, value) in enumerate(contents.items()):
        yield f"{',' if number else '{'}{_text(name)}:{_text(value)}"
    yield "}"


_text = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@cache
def packed_plotly() -> str:
    """The drawing library; compressed it takes four tenths of its room, and the page opens before it is read."""
    return packed(get_plotlyjs())


class Columns(Mapping[str, Any]):
    """The trial table by column, for JSON; arrays, empty metrics and what is said of training are left out.

    Numbers have six digits, None is nothing. A column of scores is `{"width": w, "digits": text}`, w characters a
    trial, units of 10^-SCORE_DIGITS, blanks for nothing: digits alone take three quarters of the room of numbers.
    Trials of one setting are neighbours, so that its hyperparameters take none. A column is made when it is asked for.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        named = [name for name in table.columns if not name.startswith((IMAGES, CLASSES, f"val_{RISE}"))]
        self._names = [name for name in named if name in IDENTITY or table[name].notna().any()]
        self._table, self._order = table, _together(table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> Any:
        values = column_values(self._table, name)[self._order]
        return _numbers(values) if values.dtype == np.float64 else _plain_values(values.tolist())


def _together(table: pd.DataFrame) -> np.ndarray:
    """The order by loss, design, setting and seed."""
    settings = [name for name in table.columns if name.startswith("hp.")]
    keys = [group_numbers(table, "loss"), group_numbers(table, "loss", "design")]
    return np.lexsort([column_values(table, "seed"), group_numbers(table, "loss", "design", *settings), *keys[::-1]])


def _plain_values(values: list[Any]) -> list[Any]:
    short: dict[float, Any] = {}  # levels come many times
    plain = {id(value): _plain(value, short) for value in {id(value): value for value in values}.values()}
    return [plain[id(value)] for value in values]


def _numbers(values: np.ndarray) -> Any:
    finite = values[np.isfinite(values)]
    if len(finite) and ((finite == 0) | (finite >= LEAST_COMPACT_SCORE) & (finite <= 1)).all():
        return _scores(values)
    return [None if value != value else value for value in _rounded(values).tolist()]


def _scores(values: np.ndarray) -> dict[str, Any]:
    finite = np.isfinite(values)
    parts = np.round(np.where(finite, values, 0) * 10**SCORE_DIGITS).astype(int)
    width = len(str(parts.max()))
    digits_RW = parts[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")
    text = np.where(finite[:, None], digits_RW, ord(" ")).astype(np.uint8).tobytes().decode("ascii")
    return {"width": width, "digits": text}


def _plain(value: Any, short: dict[float, Any]) -> Any:
    if type(value) is str or type(value) is int or value is None:
        return value
    if value is pd.NA or value != value:
        return None
    if not isinstance(value, float):
        return value if isinstance(value, int) else str(value)
    if value not in short:
        short[value] = float(f"{value:.{SIGNIFICANT_DIGITS}g}") if np.isfinite(value) else str(value)
    return short[value]


def _rounded(values: np.ndarray) -> np.ndarray:
    """To SIGNIFICANT_DIGITS significant digits; infinite values become missing."""
    values = np.where(np.isfinite(values), values, np.nan)
    exponents = np.floor(
        np.log10(np.abs(np.where(values == 0, 1, values))), where=np.isfinite(values), out=values.copy()
    )
    scale = 10.0 ** (SIGNIFICANT_DIGITS - 1 - exponents)
    return np.where(values == 0, 0.0, np.round(values * scale) / scale)
