"""What the page carries compressed: figures, and all trials by column. Base64, so no text can break out."""

import base64
import gzip
import json
from typing import Any

import numpy as np
import pandas as pd

from reports.table import IDENTITY, IMAGES

DIGITS = 6


def packed(contents: Any) -> str:
    """JSON, gzip, base64; the same contents give the same bytes."""
    text = json.dumps(contents, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode("ascii")


def columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The trial table by column, for JSON: six digits, None for nothing; arrays and empty metrics are left out."""
    named = [name for name in table.columns if not name.startswith(IMAGES)]
    return {name: _column(table[name]) for name in named if name in IDENTITY or table[name].notna().any()}


def _column(values: pd.Series) -> list[Any]:
    if values.dtype == np.float64:
        return [None if value != value else value for value in _rounded(values.to_numpy()).tolist()]
    return [None if value is pd.NA or value is None or value != value else _plain(value) for value in values.tolist()]


def _plain(value: object) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else str(value)
    return value if isinstance(value, int | str) else str(value)


def _rounded(values: np.ndarray) -> np.ndarray:
    """To DIGITS significant digits; infinite values become missing."""
    values = np.where(np.isfinite(values), values, np.nan)
    exponents = np.floor(
        np.log10(np.abs(np.where(values == 0, 1, values))), where=np.isfinite(values), out=values.copy()
    )
    scale = 10.0 ** (DIGITS - 1 - exponents)
    return np.where(values == 0, 0.0, np.round(values * scale) / scale)
