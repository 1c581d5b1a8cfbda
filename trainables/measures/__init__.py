"""What is measured of a trained trial: MEASURES is the list, one file each."""

from collections.abc import Iterable

from trainables.measures.base import Column, Evidence, Measure, Measured, Needs, Trained
from trainables.measures.headline import Headline

__all__ = [
    "ALWAYS",
    "HEADLINES",
    "MEASURES",
    "Column",
    "Evidence",
    "Measure",
    "Measured",
    "Needs",
    "Trained",
    "columns",
]

MEASURES: dict[str, Measure] = {
    "headline": Headline(),
}


ALWAYS = ("headline",)
"""Measured of every trial; a study may ask for more."""


def columns(names: Iterable[str] = ALWAYS) -> dict[str, Column]:
    """The declared columns of the named measures, in order."""
    return {name: column for key in names for name, column in MEASURES[key].columns.items()}


HEADLINES = tuple(name for name, column in columns().items() if column.headline)
"""The metrics that a study can be judged by."""
