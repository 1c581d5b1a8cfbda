"""A row a label, and a column that says whether the label is there: 0 and 1, or a number that is cut."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np

from evenkeel.trainables.data.csv.labels import (
    BLANK,
    NEGATIVE,
    POSITIVE,
    UNCERTAIN,
    Labels,
    from_columns,
    meaning_of,
)
from evenkeel.trainables.data.csv.rows import Listing
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.table import is_blank
from evenkeel.trainables.data.phrases import plural
from evenkeel.trainables.errors import TrainableError

CONFIDENCE = re.compile("conf|score|prob|certain|likel", flags=re.I)
"""In the name of a column whose numbers say how sure a label is."""


def with_values(data: CsvSettings, column: str, labels: Labels, listing: Listing) -> Labels:
    """Labels of rows that speak of their own label alone: it is there, or is as the value column says.

    Raises TrainableError where a column beside the labels seems to say so and is not named.
    """
    own = labels.targets == 1
    if not data.values_in:
        if data.value_column is None:
            _ask_for_values(data, column, listing)
        return replace(labels, label_mask=own)
    cells = listing.cells(data.values_in, "value_column")
    if data.value_from is not None:
        cells = [_cut(cell, data.value_from, line) for cell, line in zip(cells, listing.lines, strict=True)]
    values = from_columns({data.values_in: cells}, data.meanings(), listing.lines, "value_column")
    mask = own if values.label_mask is None else own & values.label_mask
    return replace(labels, targets=(own & (values.targets == 1)).astype(np.uint8), label_mask=mask)


def _cut(cell: str, least: float, line: str) -> str:
    """A number as 1 or 0, a blank cell as it is. Raises TrainableError for another."""
    if is_blank(cell):
        return cell
    try:
        return "1" if float(cell) >= least else "0"
    except ValueError as error:
        raise TrainableError(f"data.value_from: {line} has {cell!r}, which is no number; correct it") from error


def _ask_for_values(data: CsvSettings, column: str, listing: Listing) -> None:
    """Raises TrainableError where a column beside the labels seems to say whether each is there."""
    used = {*data.named_columns(), column, ""}
    for _, table in listing.tables:
        for name in (name for name in table.columns if name not in used and table.columns.count(name) == 1):
            cells = table.column(name, "value_column")
            codes = Counter(map(meaning_of, cells))
            no = "0" if codes[NEGATIVE] else "-1"
            num_no = codes[NEGATIVE] or codes[UNCERTAIN]
            if num_no and codes[POSITIVE] and set(codes) <= {NEGATIVE, POSITIVE, UNCERTAIN, BLANK}:
                raise TrainableError(
                    f"data.value_column: {table.path} has a row a label and a column {name!r} of {no} and 1, which is "
                    f"{no} in {plural(num_no, 'row')}; give data.value_column: {name} if {no} says that the label is "
                    "not there, data.value_column: none if it says something else"
                )
            if span := confidence_span(name, cells):
                raise TrainableError(
                    f"data.value_column: {table.path} has a row a label and a column {name!r} of numbers from "
                    f"{span[0]:g} to {span[1]:g}; give data.value_column: {name} with data.value_from: "
                    f"{likely_cut(span)} (or more) if a label is there from that on, data.value_column: none if all "
                    "rows say that it is"
                )


def confidence_span(name: str, cells: list[str]) -> tuple[float, float] | None:
    """The ends of a column of confidences, in 0 to 1 or percents; None of another column, and where all are 1."""
    if not CONFIDENCE.search(name):
        return None
    try:
        values = [float(cell) for cell in cells if not is_blank(cell)]
    except ValueError:
        return None
    low, high = min(values, default=1.0), max(values, default=1.0)
    return (low, high) if low >= 0 and high <= 100 and (low < high or high < 1) else None


def likely_cut(span: tuple[float, float]) -> float:
    """From which confidence on a label seems to be there: the half, of percents too."""
    return 0.5 if span[1] <= 1 else 50
