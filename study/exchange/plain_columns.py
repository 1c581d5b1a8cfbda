"""Columns of any table as numbers, texts and truth values of Python: categories, nullable and short types undone."""

import json
from decimal import Decimal
from math import nan
from typing import Any

import pandas as pd

SHORT_FLOATS = ("float16", "float32")


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table; lists and mappings become text, what is missing stays so."""
    return frame.apply(_plain, axis=0, result_type="expand") if len(frame.columns) else frame


def _plain(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _plain(values.astype(values.cat.categories.dtype))
    if str(values.dtype).lower() in SHORT_FLOATS:  # 0.1 as it was written, not 0.10000000149
        return pd.Series([float(str(value)) for value in values.to_numpy("float32", na_value=nan)], values.index)
    if pd.api.types.is_extension_array_dtype(values.dtype) and pd.api.types.is_numeric_dtype(values):
        return _of_nullable(values)
    if values.dtype == object:
        return _of_objects(values)
    return values


def _of_nullable(values: pd.Series) -> pd.Series:
    """Truth values and whole numbers stay such where none is missing."""
    if pd.api.types.is_bool_dtype(values):
        return values.astype(object).where(values.notna(), None) if values.isna().any() else values.astype(bool)
    whole = pd.api.types.is_integer_dtype(values) and not values.isna().any()
    return values.astype("int64" if whole else "float64")


def _of_objects(values: pd.Series) -> pd.Series:
    if values.map(lambda value: isinstance(value, Decimal)).any():
        return values.astype(float)
    return values.map(_text_of_several, na_action="ignore")


def _text_of_several(value: Any) -> Any:
    several = value.tolist() if hasattr(value, "tolist") else value
    return json.dumps(several, default=str) if isinstance(several, list | dict | tuple) else value
