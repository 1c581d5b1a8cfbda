"""One look for all figures: a colour a loss, the same in every figure, readable in print and by the colour-blind."""

import math
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

from evenkeel.reports.facts import LossFacts
from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.statistics.intervals import Interval

COLOURS = {
    "bce": "#6b7280",
    "focal": "#a16207",
    "asl": "#e69f00",
    "hill": "#8c564b",
    "apl": "#0072b2",
    "ral": "#d55e00",
    "bal": "#009e73",
}
"""By family: a loss and its printed form share a colour and differ in the dash. After Okabe and Ito."""

SPARE = ("#cc79a7", "#56b4e9", "#7c3aed", "#be185d")
SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "hexagon", "triangle-down", "x")
"""A shape a loss, so that nothing hangs on colour alone; the diamond marks the default."""

DASHES = ("solid", "dot", "dashdot", "longdash")
INK, FAINT, GRID, MARGIN = "#1f2937", "#6b7280", "#e5e7eb", "rgba(16, 122, 87, 0.08)"
DARK = {
    INK: "#e5e7eb", FAINT: "#9ca3af", GRID: "#374151", MARGIN: "rgba(52, 211, 153, 0.16)", "#0072b2": "#56a8e0",
    "#a16207": "#d4a017", "#8c564b": "#c58b7f", "#7c3aed": "#a78bfa", "#be185d": "#f472b6",
}  # fmt: skip
"""Colour of a figure -> the same on a dark page."""

FIGURE_HEIGHT = 380


def looks(losses: dict[str, LossFacts]) -> dict[str, tuple[str, str]]:
    """label -> (colour, dash): the family decides the colour, its members in order the dash."""
    num_of_family: dict[str, int] = {}
    spare = iter(SPARE * (1 + len(losses)))
    chosen: dict[str, str] = {}
    result = {}
    for label, facts in losses.items():
        family = facts.loss.split("-")[0]
        colour = COLOURS.get(family) or chosen.setdefault(family, next(spare))
        result[label] = (colour, DASHES[num_of_family.get(family, 0) % len(DASHES)])
        num_of_family[family] = num_of_family.get(family, 0) + 1
    return result


def symbols(losses: Iterable[str]) -> dict[str, str]:
    """label -> marker, in order."""
    return dict(zip(losses, cycle(SYMBOLS), strict=False))


def figure(*, x_title: str, y_title: str, height: int = FIGURE_HEIGHT) -> Drawing:
    """An empty figure in the report's style."""
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": FAINT, "ticks": "outside", "tickcolor": GRID}
    return Drawing(
        height=height,
        margin={"l": 60, "r": 20, "t": 20, "b": 55},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": FAINT, "activecolor": INK},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={**axis, "title": {"text": x_title}},
        yaxis={**axis, "automargin": True, "title": {"text": y_title, "standoff": 12}},  # or titles meet ticks
    )


def faded(colour: str, opacity: float) -> str:
    """`#rrggbb` as rgba."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


DARK |= {faded(light, 0)[:-2]: faded(dark, 0)[:-2] for light, dark in DARK.items() if light.startswith("#")}
"""Faded ones keep their opacity."""


def plain(values: Iterable[float]) -> list[float | None]:
    """Numbers as a figure stores them: six digits, None where there is none."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def bars(intervals: Sequence[Interval], **more: Any) -> dict[str, Any]:
    """The error bars of a trace: the intervals, whose values are its points."""
    up, down = plain(i.high - i.value for i in intervals), plain(i.value - i.low for i in intervals)
    return {"type": "data", "array": up, "arrayminus": down, **more}
