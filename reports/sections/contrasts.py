"""Is one loss steadier than another in the same hyperparameter? R6 and R18, one family over everything compared."""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.curves import areas
from evenkeel.reports.statistics.intervals import Interval, jackknife_error, t_interval
from evenkeel.reports.statistics.multiple_testing import ALPHA, least_p, romano_wolf, seeds_to_reject, sign_flip_p
from evenkeel.reports.table.designs import Sweep, losses_of, sweep_of, swept_hyperparameters
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, counted, listed, p_value, with_interval


class Area(NamedTuple):
    """R6 of one loss in one hyperparameter, signed."""

    loss: str
    name: str
    area: Interval


class Contrast(NamedTuple):
    """R18: the mean over seeds of the difference of areas, first minus second; negative: the first is steadier."""

    first: str
    second: str
    name: str
    levels: str
    """Whether both moved through the same levels, in words."""
    differences_S: np.ndarray
    difference: Interval
    p: float = np.nan
    p_corrected: float = np.nan
    needed: int | None = None

    @property
    def clear(self) -> bool:
        """Whether flips tell it from 0, and the interval, which also holds other images and train rows, does not."""
        return self.p_corrected <= ALPHA and not self.difference.low <= 0 <= self.difference.high


class ContrastsNumbers(NamedTuple):
    margin: float
    num_seeds: int
    areas: list[Area]
    contrasts: list[Contrast]


@dataclass(frozen=True)
class Contrasts:
    """Signed areas under the reference curve, contrasted between losses by seed pairs."""

    key: str = "contrasts"
    title: str = "Steadier than the other?"
    question: str = "In a hyperparameter that two losses share, does one lose less than the other?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ContrastsNumbers:
        areas_of_losses, contrasts = [], []
        for name in swept_hyperparameters(table):
            sweeps = [s for loss in losses_of(table) if (s := sweep_of(table, loss, name))]
            areas_of_losses += [_area(s) for s in sweeps]
            contrasts += [_contrast(a, b) for a, b in combinations(sweeps, 2)]
        study = facts_of(table)
        return ContrastsNumbers(study.margin, len(study.seeds), areas_of_losses, _tested(contrasts, rng))

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
                    "difference of areas": with_interval(c.difference, SIGNED),
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
        large = [c for c in clear if abs(c.difference.value) >= info.margin]
        lines = [_sentence(name, [c for c in large if c.name == name]) for name in dict.fromkeys(c.name for c in large)]
        if small := len(clear) - len(large):
            pairs = "pair differs" if small == 1 else "pairs differ"
            lines.append(f"{small} more {pairs} surely, but by less than the margin of {info.margin:g}.")
        return "\n".join([*lines, *_open(info), EXPLAINED])


EXPLAINED = (
    "Area: mean over levels of what is lost against the default, gains counted against losses; p by sign flips, "
    "corrected over all pairs and hyperparameters at once (Romano and Wolf); intervals are each pair's own."
)


def _open(info: ContrastsNumbers) -> list[str]:
    """What n seeds cannot decide, and how many could."""
    undecided = [c for c in info.contrasts if not c.clear]
    if not undecided:
        return []
    n = min(c.difference.n for c in undecided)
    if least_p(n) > ALPHA:
        return [
            f"{counted(len(undecided), 'comparison')} cannot be decided with {counted(n, 'seed')}: sign flips need at "
            "least six."
        ]
    needed = [c.needed for c in undecided if c.needed and c.needed > n]
    most = f"; {min(needed)} would decide the first of them" if needed else ""
    return [f"{len(undecided)} of {len(info.contrasts)} comparisons cannot be decided with {n} seeds{most}."]


def _area(sweep: Sweep) -> Area:
    lost = areas(sweep.differences_LS, sweep.default)
    error = 0.0 if sweep.images_LG is None else float(jackknife_error(_image_areas(sweep)))
    return Area(sweep.loss, sweep.name, t_interval(lost, error=error, shared=sweep.shared))


def _image_areas(sweep: Sweep) -> np.ndarray:
    """The area without each group of test images, [G]."""
    assert sweep.images_LG is not None
    return areas(sweep.images_LG, sweep.default)


def _contrast(a: Sweep, b: Sweep) -> Contrast:
    differences = areas(a.differences_LS, a.default) - areas(b.differences_LS, b.default)
    recorded = a.images_LG is not None and b.images_LG is not None
    error = float(jackknife_error(_image_areas(a) - _image_areas(b))) if recorded else 0.0
    levels = "differ" if a.levels != b.levels else "same" if a.default == b.default else "same, from other defaults"
    difference = t_interval(differences, error=error, shared=a.shared)
    return Contrast(a.loss, b.loss, a.name, levels, differences, difference)


def _tested(contrasts: list[Contrast], rng: np.random.Generator) -> list[Contrast]:
    if not contrasts:
        return []
    differences_CS = np.array([c.differences_S for c in contrasts])
    tests = zip(contrasts, sign_flip_p(differences_CS, rng), romano_wolf(differences_CS, rng), strict=True)
    return [
        c._replace(p=float(p), p_corrected=float(corrected), needed=seeds_to_reject(c.differences_S, len(contrasts)))
        for c, p, corrected in tests
    ]


def _sentence(name: str, clear: list[Contrast]) -> str:
    """`In clip ral and asl are steadier than bal.`"""
    steadier: dict[str, list[str]] = {}
    for c in clear:
        first, second = (c.first, c.second) if c.difference.value < 0 else (c.second, c.first)
        steadier.setdefault(first, []).append(second)
    alike: dict[str, list[str]] = {}
    for first, worse in steadier.items():
        alike.setdefault(listed(worse), []).append(first)
    parts = [f"{listed(names)} {'is' if len(names) == 1 else 'are'} steadier than {o}" for o, names in alike.items()]
    worst = max(c.p_corrected for c in clear)
    return f"In {name} {'; '.join(parts)} (p {_at_most(worst)} after correction)."


def _at_most(p: float) -> str:
    return p_value(p) if p < 0.001 else f"≤ {p_value(p)}"
