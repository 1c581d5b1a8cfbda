"""Runs that evenkeel did not train, as their source gives them: one row a run, nothing decided yet."""

from dataclasses import dataclass, field

import pandas as pd

FINISHED = {"finished", "complete", "completed", "done", "terminated", "success", "ok"}
CENSORED = {"running", "pruned", "killed", "scheduled", "waiting", "pending", "paused", "censored", "aborted"}


@dataclass(frozen=True)
class ForeignRuns:
    """`frame` has a row a run and a column for all that the source says of it; `states` are `done`, `failed` or
    `censored`. `settings` and `metrics` name the columns that the source itself tells apart, and are empty for a plain
    table. `better` is the direction of a metric where the source says it, `sampler` how settings were chosen, if known,
    `notes` what was made of the source.
    """

    title: str
    frame: pd.DataFrame
    states: list[str]
    settings: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    better: dict[str, str] = field(default_factory=dict)
    sampler: str = ""
    notes: tuple[str, ...] = ()


def state_of(word: object) -> str:
    """Our state for a status as other tools write it, in any case; what is neither finished nor under way failed."""
    text = str(word).rpartition(".")[2].lower()
    return "done" if text in FINISHED else "censored" if text in CENSORED else "failed"
