"""What the page carries compressed: figures, and all trials by column. Base64, so no text can break out."""

import base64
import gzip
import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from evenkeel.reports.table.trial_table import CLASSES, IDENTITY, IMAGES
from evenkeel.reports.verdict.convergence import RISE

SIGNIFICANT_DIGITS = 6
SCORE_DIGITS = 5
"""Decimal places of a score: `evenkeel export` gives all of them."""
LEAST_COMPACT_SCORE = 0.01
"""A score below it would lose digits in a column of scores."""


def packed(contents: Any) -> str:
    """JSON, gzip, base64; the same contents give the same bytes."""
    text = json.dumps(contents, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode("ascii")


@cache
def packed_plotly() -> str:
    """The drawing library; compressed it takes four tenths of its room, and the page opens before it is read."""
    return packed(get_plotlyjs())


def columns(table: pd.DataFrame) -> dict[str, Any]:
    """The trial table by column, for JSON; arrays, empty metrics and what is said of training are left out.

    Numbers have six digits, None is nothing. A column of scores is `{"width": w, "digits": text}`, w characters a
    trial, units of 10^-SCORE_DIGITS, blanks for nothing: digits alone take three quarters of the room of numbers.
    Trials of one setting are neighbours, so that its hyperparameters take none.
    """
    table = table.iloc[_together(table)]
    named = [name for name in table.columns if not name.startswith((IMAGES, CLASSES, f"val_{RISE}"))]
    return {name: _column(table[name]) for name in named if name in IDENTITY or table[name].notna().any()}


def _together(table: pd.DataFrame) -> np.ndarray:
    """The order by loss, design, setting and seed."""
    keys = ["loss", "design", *(name for name in table.columns if name.startswith("hp."))]
    numbers = [table.groupby(keys[:n], sort=False, dropna=False).ngroup() for n in (1, 2, len(keys))]
    return np.lexsort([table.seed, *numbers[::-1]])


def _column(values: pd.Series) -> Any:
    if values.dtype == np.float64:
        return _numbers(values.to_numpy())
    short: dict[float, Any] = {}  # levels come many times
    return [_plain(value, short) for value in values.tolist()]


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
