"""Which of two losses loses less in the same hyperparameter? R6 and R18, one family over all that a page compares."""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.curves import areas
from evenkeel.reports.statistics.error_model import Estimates
from evenkeel.reports.statistics.intervals import (
    MIN_SEEDS,
    Interval,
    jackknife_error,
    rows_with_enough_seeds,
    t_interval,
)
from evenkeel.reports.statistics.pooled_noise import common_noise
from evenkeel.reports.table.designs import Sweep, swept_hyperparameters
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, counted, listed, p_value, with_interval
from evenkeel.reports.verdict.family import family_of, sweeps_of
from evenkeel.reports.verdict.seeds_needed import seeds_to_differ


class Area(NamedTuple):
    """R6 of one loss in one hyperparameter, signed."""

    loss: str
    name: str
    area: Interval


class Contrast(NamedTuple):
    """R18: the mean over seeds of the difference of areas, first minus second; negative: the first loses less."""

    first: str
    second: str
    name: str
    levels: str
    """Whether both moved through the same levels, in words."""
    differences_S: np.ndarray
    image_error: float
    difference: Interval
    """With its own 95 % interval."""
    together: Interval = Interval(np.nan, np.nan, np.nan, 0)
    """With the interval that holds beside all other decisions of the page."""
    p: float = np.nan
    p_corrected: float = np.nan
    needed: int | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval of the family leaves 0 out: seeds, train rows and test images are in it."""
        return self.together.low > 0 or self.together.high < 0

    @property
    def leads(self) -> bool:
        """Whether it would be clear if nothing else were compared."""
        return self.difference.low > 0 or self.difference.high < 0


class ContrastsNumbers(NamedTuple):
    margin: float
    num_seeds: int
    areas: list[Area]
    contrasts: list[Contrast]


@dataclass(frozen=True)
class Contrasts:
    """Signed areas under the reference curve, contrasted between losses by seed pairs."""

    key: str = "contrasts"
    title: str = "Which of two losses loses less?"
    question: str = "In a hyperparameter that two losses share, does one lose less on average over its levels?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ContrastsNumbers:
        changes, contrasts = [], []
        for name in swept_hyperparameters(table):
            sweeps = sweeps_of(table, name)
            changes += [_area(sweep) for sweep in sweeps]
            contrasts += [_contrast(a, b) for a, b in combinations(sweeps, 2)]
        study = facts_of(table)
        return ContrastsNumbers(study.margin, len(study.seeds), changes, _decided(contrasts, table))

    def draw(self, info: ContrastsNumbers) -> None:
        return None

    def rows(self, info: ContrastsNumbers) -> pd.DataFrame | None:
        if not info.areas:
            return None
        area = {(a.loss, a.name): with_interval(a.area, SIGNED) for a in info.areas}
        return pd.DataFrame(
            [
                {
                    "hyperparameter": c.name,
                    "first": c.first,
                    "second": c.second,
                    "difference of areas": with_interval(c.together, SIGNED),
                    "p (corrected)": p_value(c.p_corrected),
                    "p": p_value(c.p),
                    "seeds": c.difference.n,
                    "seeds needed": c.needed or "–",
                    "area of first": area[c.first, c.name],
                    "area of second": area[c.second, c.name],
                    "levels": c.levels,
                }
                for c in info.contrasts
            ]
            or [{"hyperparameter": a.name, "loss": a.loss, "area": area[a.loss, a.name]} for a in info.areas]
        )

    def answer(self, info: ContrastsNumbers) -> str:
        if not info.contrasts:
            return "No two losses share a swept hyperparameter."
        clear = [c for c in info.contrasts if c.clear]
        large = [c for c in clear if abs(c.together.value) >= info.margin]
        lines = [_sentence(name, [c for c in large if c.name == name]) for name in dict.fromkeys(c.name for c in large)]
        if small := len(clear) - len(large):
            pairs = "pair differs" if small == 1 else "pairs differ"
            lines.append(f"{small} more {pairs} surely, but by less than the margin of {info.margin:g}.")
        return "\n".join([*lines, *_open(info), EXPLAINED])


EXPLAINED = (
    "Area: mean over levels of what is lost against the default, gains counted against losses. Intervals hold for all "
    "pairs, hyperparameters and verdicts of the page together (95%); p beside p corrected for their number."
)


def _open(info: ContrastsNumbers) -> list[str]:
    """What is not decided, and how many seeds would decide the easiest, where there is a lead."""
    undecided = [c for c in info.contrasts if not c.clear]
    if not undecided:
        return []
    if not any(c.difference.n >= MIN_SEEDS for c in undecided):
        most = max(c.difference.n for c in undecided)
        return [
            f"{counted(len(undecided), 'comparison')} cannot be decided with {counted(most, 'seed')}: it takes "
            f"{MIN_SEEDS} or more."
        ]
    lines = [f"{len(undecided)} of {len(info.contrasts)} comparisons are not decided."]
    leads = [c for c in undecided if c.needed]
    if leads:
        easiest = min(leads, key=lambda c: c.needed or 0)
        lines.append(
            f"Lead: {easiest.first} and {easiest.second} in {easiest.name}, which {easiest.needed} seeds would decide "
            "in four of five such studies."
        )
    return lines


def _area(sweep: Sweep) -> Area:
    lost, lost_G = _areas(sweep, set())
    error = 0.0 if lost_G is None else float(jackknife_error(lost_G))
    return Area(sweep.loss, sweep.name, t_interval(lost, error=error, shared=sweep.shared, looks=sweep.looks))


def _areas(sweep: Sweep, left_out: set[object]) -> tuple[np.ndarray, np.ndarray | None]:
    """Areas by seed [S], and without each group of test images [G], of the levels that have seeds enough.

    Levels that ran because the curve falls beside them would count what it loses there more than once.
    """
    kept = [k for k in sweep.moved if sweep.levels[k] not in {*left_out, *_lacking(sweep)}]
    rows = [sweep.default, *(kept or sweep.moved)]
    images = None if sweep.images_LG is None else areas(sweep.images_LG[rows], 0)
    return areas(sweep.differences_LS[rows], 0), images


def _lacking(sweep: Sweep) -> set[object]:
    """Levels with few seeds, where others have enough: they would leave the loss without any seed; and finer levels."""
    enough = sweep.moved[rows_with_enough_seeds(sweep.differences_LS[sweep.moved])]
    return {sweep.levels[k] for k in sweep.moved if k not in enough} | set(sweep.finer)


def _compared_levels(a: Sweep, b: Sweep, left_out: set[object]) -> str:
    """Whether both moved through the same levels, and which of them the areas leave out."""
    finer = {*a.finer, *b.finer}
    first, second = ([value for value in sweep.levels if value not in finer] for sweep in (a, b))
    same_default = a.levels[a.default] == b.levels[b.default]
    words = "differ" if first != second else "same" if same_default else "same, from other defaults"
    lacking = [str(value) for value in left_out - finer]
    words += "; without finer ones" if finer else ""
    return f"{words}; without {listed(lacking)}, which lacks seeds" if lacking else words


def _contrast(a: Sweep, b: Sweep) -> Contrast:
    left_out = _lacking(a) | _lacking(b)
    (first_S, first_G), (second_S, second_G) = _areas(a, left_out), _areas(b, left_out)
    error = 0.0 if first_G is None or second_G is None else float(jackknife_error(first_G - second_G))
    differences = first_S - second_S
    return Contrast(
        a.loss,
        b.loss,
        a.name,
        _compared_levels(a, b, left_out),
        differences,
        error,
        t_interval(differences, error=error, shared=a.shared, looks=a.looks),
    )


def _decided(contrasts: list[Contrast], table: pd.DataFrame) -> list[Contrast]:
    """With the intervals, p values and numbers of seeds of the family."""
    if not contrasts:
        return []
    family, values_CS = family_of(table), np.array([c.differences_S for c in contrasts])
    errors_C = np.array([c.image_error for c in contrasts])
    study = facts_of(table)
    estimates = Estimates.of_values(
        values_CS, errors_C, shared=study.shared, prior=common_noise(values_CS), looks=study.looks
    )
    alpha, p_values = family.alpha / 2 / family.num_units, estimates.two_sided_p()
    return [
        c._replace(
            together=estimates.interval(i, alpha),
            p=float(p_values[i]),
            p_corrected=float(np.minimum(1, p_values[i] * family.num_units)),
            needed=seeds_to_differ(estimates, i, alpha * family.standard.next_look) if c.leads else None,
        )
        for i, c in enumerate(contrasts)
    ]


def _sentence(name: str, clear: list[Contrast]) -> str:
    """`In clip ral and asl lose less than bal.`"""
    less: dict[str, list[str]] = {}
    for c in clear:
        first, second = (c.first, c.second) if c.together.value < 0 else (c.second, c.first)
        less.setdefault(first, []).append(second)
    alike: dict[str, list[str]] = {}
    for first, worse in less.items():
        alike.setdefault(listed(worse), []).append(first)
    parts = [f"{listed(names)} {'loses' if len(names) == 1 else 'lose'} less than {o}" for o, names in alike.items()]
    worst = max(c.p_corrected for c in clear)
    return f"In {name} {'; '.join(parts)} (p {_at_most(worst)} after correction)."


def _at_most(p: float) -> str:
    return p_value(p) if p < 0.001 else f"≤ {p_value(p)}"
