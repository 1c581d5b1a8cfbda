"""Runs that evenkeel did not train, as their source gives them: one row a run, nothing decided yet."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

FINISHED = {"finished", "complete", "completed", "done", "terminated", "success", "ok"}
CENSORED = {"running", "pruned", "killed", "scheduled", "waiting", "pending", "paused", "censored", "aborted"}


@dataclass(frozen=True)
class ForeignRuns:
    """`frame` has a row a run and a column for all that the source says of it; `states` are `done`, `failed` or
    `censored`. `settings` and `metrics` name the columns that the source itself tells apart, and are empty for a plain
    table. `better` is the direction of a metric where the source says it, `notes` what was made of the source.
    `chosen` is a sentence where the source says that earlier scores chose settings, or how long they trained.
    """

    title: str
    frame: pd.DataFrame
    states: list[str]
    settings: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    better: dict[str, str] = field(default_factory=dict)
    chosen: str = ""
    notes: tuple[str, ...] = ()


def make_frame(rows: list[dict[str, Any]], settings: Iterable[str]) -> pd.DataFrame:
    """A row a run. Settings that some runs do not have keep their values as they are: pandas makes floats of integers
    beside a blank."""
    frame = pd.DataFrame(rows)
    partial = [name for name in settings if frame[name].isna().any()]
    return frame.assign(**{name: pd.Series([row.get(name) for row in rows], dtype=object) for name in partial})


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by a slash; lists as text."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


def state_of(word: object) -> str:
    """Our state for a status as other tools write it, in any case; what is neither finished nor under way failed."""
    text = str(word).rpartition(".")[2].lower()
    return "done" if text in FINISHED else "censored" if text in CENSORED else "failed"
