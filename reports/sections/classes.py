"""Scores of each class at the defaults, and which classes a loss loses where a hyperparameter costs most.

Only trials of the sweep say it, and only under metrics that are means over classes. Letters: C classes, S seeds.
Source of the tables: Tables 4 and 7 of the RAL paper, Fig. 6 of the LM-CLIP paper.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.intervals import Interval, t_interval
from evenkeel.reports.table.designs import losses_of, trials_at_default, trials_at_level
from evenkeel.reports.table.seed_grid import SeedGrid, column_values
from evenkeel.reports.table.trial_table import CLASSES, facts_of
from evenkeel.reports.text.wording import SIGNED, counted, level, some_of, with_interval
from evenkeel.reports.verdict.family import family_of

MAX_NAMED = 3
ALSO = ("precision", "recall")
"""Shown beside the score where a study measures them."""


class ClassScores(NamedTuple):
    """One class at the defaults: mean over seeds of each loss under each measure, `(measure, loss)` -> interval."""

    name: str
    group: str
    positives: int
    scores: dict[tuple[str, str], Interval]


class ClassNumbers(NamedTuple):
    titles: dict[str, str]
    """Measure -> its title."""
    losses: list[str]
    classes: list[ClassScores]


@dataclass(frozen=True)
class Classes:
    """Scores of each class at the defaults."""

    key: str = "classes"
    title: str = "Scores of each class"
    question: str = "Which classes does a loss recognise at its default?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if _recorded(table) and facts_of(table).data.classes else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ClassNumbers:
        study, losses = facts_of(table), losses_of(table)
        names = [study.metric, *(name for name in ALSO if f"{CLASSES}test_{name}" in table)]
        values = {
            (name, loss): class_scores(table, trials_at_default(table, loss), name) for name in names for loss in losses
        }
        groups = {c: group for group, members in study.data.groups.items() for c in members}
        positives = study.data.positives.get("train") or (0,) * len(study.data.classes)
        order = sorted(range(len(study.data.classes)), key=lambda c: -positives[c])
        return ClassNumbers(
            {name: study.measures[name].title for name in names if name in study.measures},
            losses,
            [
                ClassScores(
                    study.data.classes[c],
                    groups.get(c, ""),
                    positives[c],
                    {
                        key: t_interval(scores_SC[:, c], shared=study.shared_alone)
                        for key, scores_SC in values.items()
                        if len(scores_SC)
                    },
                )
                for c in order
            ],
        )

    def draw(self, info: ClassNumbers) -> None:
        return None

    def rows(self, info: ClassNumbers) -> pd.DataFrame | None:
        scored = [key for key in info.classes[0].scores if any(c.scores[key].n for c in info.classes)]
        if not scored:
            return None
        return pd.DataFrame(
            [
                {"class": c.name, "group": c.group, "train positives": c.positives}
                | {f"{loss}, {_short(name, info)}": with_interval(c.scores[name, loss]) for name, loss in scored}
                for c in info.classes
            ]
        )

    def answer(self, info: ClassNumbers) -> str:
        first = next(iter(info.titles.values()), "the score")
        return f"{counted(len(info.classes), 'row')}, one per class: {first}, mean over seeds with 95% intervals."


class ClassDrops(NamedTuple):
    """One loss and hyperparameter at the level with the largest drop: what each class loses there, [C]."""

    loss: str
    name: str
    level: object
    drops: list[Interval]
    """Intervals hold together over the classes and levels of the page."""
    lost: list[int]
    """Class numbers that surely lose more than the margin, the largest drop first."""


class ClassDropsNumbers(NamedTuple):
    title: str
    margin: float
    names: tuple[str, ...]
    groups: dict[str, tuple[int, ...]]
    moves: list[ClassDrops]


@dataclass(frozen=True)
class DroppingClasses:
    """The classes that lose where a hyperparameter costs most."""

    key: str = "class-drops"
    title: str = "Which classes drop"
    question: str = "When a hyperparameter moves to its worst level, which classes pay for it?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if _recorded(table) and facts_of(table).data.classes and family_of(table).sweeps else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ClassDropsNumbers:
        study = facts_of(table)
        moves = [drops for loss, name in family_of(table).sweeps if (drops := _drops(table, loss, name)) is not None]
        return ClassDropsNumbers(study.turned_title, study.margin, study.data.classes, study.data.groups, moves)

    def draw(self, info: ClassDropsNumbers) -> None:
        return None

    def rows(self, info: ClassDropsNumbers) -> pd.DataFrame | None:
        if not info.moves:
            return None
        return pd.DataFrame(
            [
                {
                    "loss": m.loss,
                    "hyperparameter": f"{m.name} at {level(m.level)}",
                    "classes that surely lose": f"{len(m.lost)} of {len(m.drops)}",
                    "most": _most(info, m),
                }
                | {
                    f"{group}, mean": _mean([m.drops[c] for c in members])
                    for group, members in info.groups.items()
                    if members
                }
                for m in info.moves
            ]
        )

    def answer(self, info: ClassDropsNumbers) -> str:
        lost = sorted((m for m in info.moves if m.lost), key=lambda m: -len(m.lost))
        if not lost:
            return f"No class surely loses more than the margin of {info.margin:g}, on these test images."
        parts = [f"{m.loss} in {m.name} ({len(m.lost)} of {len(m.drops)}: {_named(info, m)})" for m in lost[:MAX_NAMED]]
        return (
            f"Classes that surely lose more than the margin of {info.margin:g}, on these test images, most first: "
            f"{'; '.join(parts)}. Intervals hold together over all classes and levels of the page."
        )


def _named(info: ClassDropsNumbers, move: ClassDrops) -> str:
    names = [info.names[c] for c in move.lost]
    return some_of(names, MAX_NAMED)


def class_scores(table: pd.DataFrame, trials: SeedGrid, name: str, item: int = 0) -> np.ndarray:
    """Test score of each class by seed, [S, C], of one item of a grid; no rows where nothing is recorded."""
    column = f"{CLASSES}test_{name}"
    kept = trials.only(trials.items_R == item)
    arrays = (
        {}
        if column not in table
        else dict(zip(kept.seeds_R.tolist(), column_values(table, column)[kept.rows_R], strict=True))
    )
    arrays = {seed: values for seed, values in arrays.items() if values is not None}
    grid = np.full((trials.shape[1], len(facts_of(table).data.classes)), np.nan)
    for seed, values in arrays.items():
        grid[seed] = values
    return grid if arrays else grid[:0]


def _recorded(table: pd.DataFrame) -> bool:
    return any(f"{CLASSES}test_{name}" in table for name in facts_of(table).headlines)


def _drops(table: pd.DataFrame, loss: str, name: str) -> ClassDrops | None:
    """None where the metric is recorded of no class, or nothing was scored away from the default."""
    study, sweep = facts_of(table), family_of(table).sweeps[loss, name]
    means = [interval.value for interval in sweep.reference]
    if not np.isfinite(np.delete(means, sweep.default)).any():
        return None
    worst = int(np.nanargmin([np.inf if k == sweep.default else value for k, value in enumerate(means)]))
    default, moved = (
        class_scores(table, trials_at_level(table, loss, name), study.metric, k) for k in (sweep.default, worst)
    )
    if not len(default) or not len(moved):
        return None
    confidence = 1 - family_of(table).alpha / (default.shape[1] * family_of(table).standard.num_levels)
    drops = [t_interval(row, confidence, shared=study.shared) for row in study.sign * (moved - default).T]
    lost = sorted((c for c, drop in enumerate(drops) if drop.high < -study.margin), key=lambda c: drops[c].value)
    return ClassDrops(loss, name, sweep.levels[worst], drops, lost)


def _most(info: ClassDropsNumbers, move: ClassDrops) -> str:
    finite = [c for c, drop in enumerate(move.drops) if np.isfinite(drop.value)]
    worst = min(finite, key=lambda c: move.drops[c].value, default=None)
    return "–" if worst is None else f"{info.names[worst]} {with_interval(move.drops[worst], SIGNED)}"


def _mean(drops: list[Interval]) -> str:
    values = [drop.value for drop in drops if np.isfinite(drop.value)]
    return SIGNED.format(np.mean(values)) if values else "–"


def _short(name: str, info: ClassNumbers) -> str:
    return name if name in ALSO else info.titles.get(name, name)
