"""The answer as one picture: every hyperparameter, every loss, one scale."""

from dataclasses import dataclass
from textwrap import wrap
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import MAX_COLUMNS, axis_number, multiples, ticks
from evenkeel.reports.figures.style import bars, looks, plain, symbols
from evenkeel.reports.statistics.curves import chosen_by_others, cross_fitted_curve, naive_curve
from evenkeel.reports.statistics.intervals import Interval, jackknife_error, nan_mean, t_interval
from evenkeel.reports.table.designs import Sweep, losses_of, sweep_of, swept_hyperparameters
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import level, listed, with_symbol

REFERENCE, CROSS_FITTED, NAIVE_VIEW = VIEWS = (
    "difference from default",
    "cross-fitted difference from best",
    "naive difference from best",
)
HOVER_CHARACTERS = 30
"""Characters of a line of a hover text, which must find room on a phone."""


class OverviewLine(NamedTuple):
    """One loss in one frame: a list of intervals by level for each view; R1 has none, so its ends are NaN."""

    loss: str
    name: str
    sweep: Sweep
    views: dict[str, list[Interval]]
    held_fixed: str
    """What was held at its default, in words."""


class OverviewNumbers(NamedTuple):
    title: str
    margins: list[float]
    """Of each frame."""
    frames: list[str]
    symbols: dict[str, str]
    log: dict[str, bool]
    lines: list[OverviewLine]
    looks: dict[str, tuple[str, str]]
    leading: list[str]
    columns: int = MAX_COLUMNS
    note: str = ""


@dataclass(frozen=True)
class Overview:
    """R1, R2 and R3 of all losses and hyperparameters; a switch shows one of them."""

    key: str = "overview"
    title: str = "How the score moves"
    question: str = "How far does the score move when one hyperparameter leaves its default?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if swept_hyperparameters(table) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> OverviewNumbers:
        study, frames = facts_of(table), swept_hyperparameters(table)
        lines = [
            _line(sweep, study.losses[loss].defaults)
            for name in frames
            for loss in losses_of(table)
            if (sweep := sweep_of(table, loss, name))
        ]
        space = {n: p for facts in study.losses.values() for n, p in facts.space.items()}
        return OverviewNumbers(
            study.turned_title,
            [study.margin] * len(frames),
            frames,
            {n: space[n].symbol for n in frames},
            {n: space[n].log for n in frames},
            lines,
            looks(study.losses),
            list(study.contrast or study.losses),
        )

    def draw(self, info: OverviewNumbers) -> Drawing | None:
        if not info.lines:
            return None
        titles = [with_symbol(name, info.symbols[name]).replace(": ", ":<br>") for name in info.frames]
        views = {view: f"{info.title}: {view}" for view in VIEWS}
        losses = list(dict.fromkeys(line.loss for line in info.lines))
        drawn = multiples(titles, views, margins=info.margins, num_entries=len(losses), columns=info.columns)
        shapes, named = symbols(info.looks), set()
        for line in sorted(info.lines, key=lambda line: line.loss in info.leading):
            for view in VIEWS:
                _add(drawn, line, view, info, shapes[line.loss], first=(line.loss, view) not in named)
                named.add((line.loss, view))
        for i, name in enumerate(info.frames):
            levels = [value for line in info.lines if line.name == name for value in line.sweep.levels]
            drawn.update_layout({f"xaxis{axis_number(i)}": ticks(levels, log=info.log[name])})
        return drawn

    def rows(self, info: OverviewNumbers) -> None:
        return None

    def answer(self, info: OverviewNumbers) -> str:
        if not info.lines:
            return "There is no finished sweep to draw."
        margins = listed([f"{margin:g}" for margin in sorted(set(info.margins))])
        means = "Means over seeds with 95% intervals; a diamond is the default."
        below = " Lower is better, so differences are of the score with its sign turned: below 0 is worse."
        turned = below if info.title.startswith("minus ") else ""
        return f"The stripe marks the margin ({margins}). {means}{turned}{info.note}"


def _line(sweep: Sweep, defaults: dict[str, object]) -> OverviewLine:
    crossed = zip(cross_fitted_curve(sweep.scores_LS, sweep.val_LS), _crossed_errors(sweep), strict=True)
    naive = naive_curve(sweep.scores_LS)
    views = {
        REFERENCE: sweep.reference,
        CROSS_FITTED: [t_interval(row, error=error, shared=sweep.shared, looks=sweep.looks) for row, error in crossed],
        NAIVE_VIEW: [Interval(float(v), np.nan, np.nan, int(np.isfinite(v))) for v in naive],
    }
    return OverviewLine(sweep.loss, sweep.name, sweep, views, held_at_defaults(sweep, defaults))


def held_at_defaults(sweep: Sweep, defaults: dict[str, object]) -> str:
    """The defaults at which a sweep holds everything else, in words."""
    return ", ".join(f"{name} {level(value)}" for name, value in defaults.items() if name != sweep.name)


def hover(sweep: Sweep, intervals: list[Interval], name: str, held_fixed: str) -> dict[str, object]:
    """The keys of a curve's trace that tell of each level: interval, seeds, divergence, and what was held."""
    fixed_lines = "<br>".join(wrap(held_fixed, HOVER_CHARACTERS))
    counts = zip(intervals, np.isfinite(sweep.scores_LS).sum(1), sweep.diverged_LS.sum(1), strict=True)
    return {
        "customdata": [
            [f"{i.low:+.4f} to {i.high:+.4f}" if np.isfinite(i.low) else "no interval", int(n), int(diverged)]
            for i, n, diverged in counts
        ],
        "hovertemplate": f"<b>{sweep.loss}</b>, {name} %{{x}}<br>%{{y:+.4f}} (%{{customdata[0]}})<br>"
        f"%{{customdata[1]}} seeds, %{{customdata[2]}} diverged<br>{fixed_lines}<extra></extra>",
    }


def _crossed_errors(sweep: Sweep) -> np.ndarray:
    """Standard error that the choice of test images adds to the cross-fitted curve; 0 where not recorded."""
    if sweep.images_LSG is None:
        return np.zeros(len(sweep.levels))
    best = sweep.images_LSG[chosen_by_others(sweep.val_LS), np.arange(len(sweep.seeds))]
    return jackknife_error(nan_mean(sweep.images_LSG - best, axis=1))


def _add(drawn: Drawing, line: OverviewLine, view: str, info: OverviewNumbers, symbol: str, *, first: bool) -> None:
    sweep, intervals = line.sweep, line.views[view]
    (colour, dash), leads = info.looks[line.loss], line.loss in info.leading
    number = axis_number(info.frames.index(line.name))
    drawn.add_scatter(
        x=[value if isinstance(value, int | float) else str(value) for value in sweep.levels],
        y=plain(i.value for i in intervals),
        xaxis=f"x{number}",
        yaxis=f"y{number}",
        error_y=bars(intervals, thickness=1.5 if leads else 1, width=3),
        mode="lines+markers",
        line={"color": colour, "width": 2.2 if leads else 1.2, "dash": dash},
        marker={
            "color": colour,
            "line": {"width": 0},
            "size": [10 if k == sweep.default else 7 for k in range(len(sweep.levels))],
            "symbol": ["diamond" if k == sweep.default else symbol for k in range(len(sweep.levels))],
        },
        opacity=1 if leads else 0.5,
        visible=view == VIEWS[0],
        name=line.loss,
        legendgroup=line.loss,
        showlegend=first,
        meta={"view": view},
        **hover(sweep, intervals, line.name, line.held_fixed),
    )
