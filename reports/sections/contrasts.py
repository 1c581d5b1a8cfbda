"""Is one loss steadier than another in the same hyperparameter? R6 and R18."""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from reports.designs import Sweep, losses_of, sweep_of, swept
from reports.statistics import (
    Interval,
    area_under_sensitivity,
    bca_interval,
    holm,
    resampled,
    sign_flip_p,
    t_interval,
)
from reports.words import SIGNED, p_value, with_interval

ALPHA = 0.05
NUM_SHOWN = 3


class Area(NamedTuple):
    """R6 of one loss in one hyperparameter."""

    loss: str
    name: str
    area: Interval


class Contrast(NamedTuple):
    """R18: the mean over seeds of the difference of areas, first minus second; negative: the first is steadier."""

    first: str
    second: str
    name: str
    difference: Interval
    p: float
    p_holm: float


class Info(NamedTuple):
    areas: list[Area]
    contrasts: list[Contrast]


@dataclass(frozen=True)
class Contrasts:
    """Areas under the sensitivity curve, contrasted between losses by seed pairs."""

    key: str = "contrasts"
    title: str = "Steadier than the other?"
    question: str = "In a hyperparameter that two losses share, does one lose less than the other?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        areas, contrasts = [], []
        for name in swept(table):
            sweeps = [s for loss in losses_of(table) if (s := sweep_of(table, loss, name))]
            areas += [Area(s.loss, name, _area(s, rng)) for s in sweeps]
            contrasts += [_contrast(a, b) for a, b in combinations(sweeps, 2)]
        return Info(areas, _corrected(contrasts))

    def draw(self, info: Info) -> None:
        return None

    def rows(self, info: Info) -> pd.DataFrame | None:
        if not info.areas:
            return None
        area = {(a.loss, a.name): with_interval(a.area) for a in info.areas}
        return pd.DataFrame(
            [
                {
                    "hyperparameter": c.name,
                    "first": c.first,
                    "area": area[c.first, c.name],
                    "second": c.second,
                    "area ": area[c.second, c.name],
                    "difference": with_interval(c.difference, SIGNED),
                    "p": p_value(c.p),
                    "p (Holm)": p_value(c.p_holm),
                }
                for c in info.contrasts
            ]
            or [{"hyperparameter": a.name, "loss": a.loss, "area": with_interval(a.area)} for a in info.areas]
        )

    def answer(self, info: Info) -> str:
        if not info.contrasts:
            return "No two losses share a swept hyperparameter."
        clear = [c for c in info.contrasts if c.p_holm < ALPHA]
        explained = "Area: mean over levels of what is lost against the default; intervals by BCa over seeds."
        if clear:
            return "\n".join([*map(_sentence, clear), explained])
        apart = [c for c in info.contrasts if c.difference.low > 0 or c.difference.high < 0]
        apart.sort(key=lambda c: -abs(c.difference.value))
        shown = "; ".join(f"{c.first} − {c.second} in {c.name} {_signed(c)}" for c in apart[:NUM_SHOWN])
        return (
            "By the exact test with Holm's correction over hyperparameters no pair differs (n = "
            f"{min(c.difference.n for c in info.contrasts)}; six seeds cannot go below p = 0.031 even before it). "
            + (f"By their t-intervals the largest differences are {shown}. " if shown else "")
            + explained
        )


def _signed(c: Contrast) -> str:
    return with_interval(c.difference, SIGNED)


def _area(sweep: Sweep, rng: np.random.Generator) -> Interval:
    curve = sweep.differences_LS
    return bca_interval(lambda rows: area_under_sensitivity(resampled(curve, rows)), curve.shape[1], rng)


def _per_seed(sweep: Sweep) -> np.ndarray:
    """A_{l,r}: the area of each seed's own curve, [S]; NaN for a seed without its default."""
    return area_under_sensitivity(sweep.differences_LS.T[..., None])


def _contrast(a: Sweep, b: Sweep) -> Contrast:
    differences = _per_seed(a) - _per_seed(b)
    return Contrast(a.loss, b.loss, a.name, t_interval(differences), sign_flip_p(differences), np.nan)


def _corrected(contrasts: list[Contrast]) -> list[Contrast]:
    """Holm over the hyperparameters of each pair."""
    result = list(contrasts)
    for pair in dict.fromkeys((c.first, c.second) for c in contrasts):
        rows = [i for i, c in enumerate(contrasts) if (c.first, c.second) == pair]
        for i, p in zip(rows, holm(np.array([contrasts[i].p for i in rows])), strict=True):
            result[i] = contrasts[i]._replace(p_holm=float(p))
    return result


def _sentence(c: Contrast) -> str:
    steadier, other = (c.first, c.second) if c.difference.value < 0 else (c.second, c.first)
    return f"{steadier} is steadier than {other} in {c.name} (Holm p = {p_value(c.p_holm)})."
