"""Divergences are results, failures are gaps: how many of each, and why. R17."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.intervals import Interval, wilson
from evenkeel.reports.table.designs import losses_of, swept_hyperparameters
from evenkeel.reports.table.trial_table import DONE, STATES
from evenkeel.reports.text.wording import PERCENT, counted, level, with_interval
from evenkeel.reports.verdict.family import sweeps_of

NUM_NOTES = 20
FEWEST_REPEATED = 2
"""Seeds that fail at one level before its setting is named as a possible reason."""


class Count(NamedTuple):
    """Trials of one loss by state, and the rate of divergence among those that ended."""

    loss: str
    done: int
    diverged: int
    failed: int
    censored: int
    rate: Interval


class FailuresNumbers(NamedTuple):
    counts: list[Count]
    notes: list[tuple[str, str]]
    repeated: list[str]
    """Settings of a sweep at which several seeds failed, in words."""


@dataclass(frozen=True)
class Failures:
    """Counts of every state. A diverged trial is a rate; among random settings it counts at the floor."""

    key: str = "failures"
    title: str = "Divergences and failures"
    question: str = "How often did training break, and why?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> FailuresNumbers:
        counts = []
        for loss in losses_of(table):
            states = table[table.loss == loss].state.value_counts()
            done, diverged, failed, censored = (int(states.get(s, 0)) for s in STATES)
            counts.append(Count(loss, done, diverged, failed, censored, wilson(diverged, done + diverged)))
        noted = table[(table.state != DONE) & (table.note != "")]
        notes = zip(noted.trial_id.head(NUM_NOTES), noted.note.head(NUM_NOTES), strict=True)
        last_lines = [(trial_id, note.splitlines()[-1]) for trial_id, note in notes]
        return FailuresNumbers(counts, last_lines, _repeated(table))

    def draw(self, info: FailuresNumbers) -> None:
        return None

    def rows(self, info: FailuresNumbers) -> pd.DataFrame | None:
        if not info.counts:
            return None
        frame = pd.DataFrame([c._asdict() for c in info.counts])
        return frame.assign(rate=[with_interval(c.rate, PERCENT) for c in info.counts]).rename(
            columns={"rate": "divergence rate (Wilson)"}
        )

    def answer(self, info: FailuresNumbers) -> str:
        diverged, failed = sum(c.diverged for c in info.counts), sum(c.failed for c in info.counts)
        if not diverged and not failed:
            return "No trial diverged and none failed."
        first = f" First of the notes: trial {info.notes[0][0]}, {info.notes[0][1]}." if info.notes else ""
        return (
            f"{counted(diverged, 'trial')} diverged: no interval of a curve holds them as scores, their rate stands "
            "beside it; among random settings they count at the score of the constant predictor. "
            f"{counted(failed, 'trial')} failed: missing, never a bad score, and their level is not called steady "
            f"unless it is so with them at the constant predictor's score.{first}{''.join(info.repeated)}"
        )


def _repeated(table: pd.DataFrame) -> list[str]:
    """Levels at which several seeds failed, though the default did not: the setting may be the reason."""
    sweeps = [sweep for name in swept_hyperparameters(table) for sweep in sweeps_of(table, name)]
    sentences = []
    for sweep in sweeps:
        failed_LS = np.zeros_like(sweep.diverged_LS) if sweep.failed_LS is None else sweep.failed_LS
        for k in sweep.moved[(failed_LS[sweep.moved] & ~failed_LS[sweep.default]).sum(1) >= FEWEST_REPEATED]:
            number = counted(int(failed_LS[k].sum()), "seed")
            sentences.append(
                f" At {sweep.name} {level(sweep.levels[k])} {number} of {sweep.loss} failed where the default did not: "
                "the setting may be the reason."
            )
    return sentences
