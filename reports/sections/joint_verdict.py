"""What do several studies say together? The data set is the unit of replication."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.intervals import complement
from evenkeel.reports.table.designs import each_with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import PERCENT, SIGNED, counted, listed, with_interval
from evenkeel.reports.verdict.joint import (
    MIN_SETS,
    JointCell,
    JointPair,
    joint_cells,
    joint_pairs,
    judged_sets,
    sets_for_order,
)
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY


class JointNumbers(NamedTuple):
    title: str
    num_sets: int
    cells: list[JointCell]
    pairs: list[JointPair]


@dataclass(frozen=True)
class JointVerdict:
    """Verdicts over data sets, and how often one loss is steadier than another."""

    studies: Mapping[str, pd.DataFrame]
    key: str = "joint"
    title: str = "All studies together"
    question: str = "What holds over the data sets, and what can so many sets not say?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> JointNumbers:
        sets = judged_sets(each_with_metric(self.studies, facts_of(table).metric))
        return JointNumbers(facts_of(table).turned_title, len(self.studies), joint_cells(sets), joint_pairs(sets))

    def draw(self, info: JointNumbers) -> None:
        return None

    def rows(self, info: JointNumbers) -> pd.DataFrame | None:
        if not info.cells:
            return None
        return pd.DataFrame(
            [
                {
                    "loss": c.loss,
                    "hyperparameter": c.name,
                    "verdict over sets": c.status,
                    "largest drop, over sets": with_interval(c.over_sets, SIGNED),
                    "on these sets alone": with_interval(c.on_these, SIGNED),
                    "verdicts": ", ".join(f"{status} on {num}" for status, num in c.counts.items()),
                }
                for c in info.cells
            ]
        )

    def answer(self, info: JointNumbers) -> str:
        if not info.cells:
            return "The studies share no loss and hyperparameter that has the same default and is judged."
        return "\n".join([*_verdicts(info), *map(_pair, info.pairs), *_limits(info)])


def _verdicts(info: JointNumbers) -> list[str]:
    lines = []
    for status in (STEADY, SENSITIVE):
        names = [f"{c.loss} in {c.name}" for c in info.cells if c.status == status]
        lines += [f"Over data sets, {status}: {listed(names)}."] if names else []
    return lines


def _pair(pair: JointPair) -> str:
    first, second, num = pair.first, pair.second, pair.steadier
    if 2 * num < pair.num_sets:
        first, second, num = second, first, pair.num_sets - num
    wins = pair.improvement if first == pair.first else complement(pair.improvement)
    return (
        f"{first} is steadier than {second} on {num} of {counted(pair.num_sets, 'set')}; a seed of {first} loses less "
        f"than one of {second} in {with_interval(wins, PERCENT)} of cases."
    )


def _limits(info: JointNumbers) -> list[str]:
    """What so many sets cannot say."""
    lines = []
    if any(NOT_JUDGED in c.counts for c in info.cells):
        lines.append(
            "A loss that is not judged on a set, since it may be no better than chance there, is left out of it."
        )
    if info.num_sets < MIN_SETS:
        lines.append(
            f"{info.num_sets} data sets carry no interval over sets, which takes {MIN_SETS}: what is said of these "
            "sets need not hold on another."
        )
    if info.num_sets < sets_for_order():
        lines.append(
            f"An order that is the same on all of {info.num_sets} sets may be chance; a sign test needs "
            f"{sets_for_order()} of them."
        )
    return lines
