"""How a study calls what it compares."""

from typing import Annotated

from pydantic import AfterValidator, Field

from evenkeel.study.plain_text import visible

MAX_ENTRIES = 200
"""Losses, and methods, that one study may compare: a page could not show more."""


def _one_line(label: str) -> str:
    if visible(label) != label or not label.strip():
        raise ValueError(f"must be one line of visible text, got {label!r}")
    return label


Label = Annotated[str, Field(max_length=100), AfterValidator(_one_line)]
