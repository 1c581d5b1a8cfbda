"""Two hyperparameters together: how far does the score move, and does the effect of one depend on the other?"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import axis_number, frames
from evenkeel.reports.figures.style import COLOURS, FAINT, INK, faded, plain
from evenkeel.reports.statistics.intervals import MIN_SEEDS, Interval, nan_mean, t_interval
from evenkeel.reports.table.grids import Grid, Names, paired_hyperparameters
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, counted, level, number, with_interval
from evenkeel.reports.verdict.together import ADDS_UP, OPEN, SMALL, Place, Together, judge_grids

MARKS = {-1: "▼", 0: "", 1: "▲"}
LOWER, HIGHER, OPACITY = COLOURS["ral"], COLOURS["apl"], 0.75
SCALE = [[0, faded(LOWER, OPACITY)], [0.5, faded(LOWER, 0)], [0.5, faded(HIGHER, 0)], [1, faded(HIGHER, OPACITY)]]
MAX_FRAMES, MAX_TICKS, TWO_LINES = 2, 4, 20
"""Frames side by side, ticks below one, pixels above a title of two lines."""
EXPLAINED = (
    "Interaction: what both changes together do beyond the sum of what each does alone. What is sure is sure for all "
    "settings, or all interactions, of the page together (95%)."
)


class PairNumbers(NamedTuple):
    title: str
    names: Names
    margin: float
    num_seeds: int
    losses: list[Together]


@dataclass(frozen=True)
class Pair:
    """A heat map a loss of two hyperparameters that moved together, and their interaction."""

    names: Names

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls(names) for names in paired_hyperparameters(table)]

    @property
    def key(self) -> str:
        return f"pair-{'-'.join(self.names)}"

    @property
    def title(self) -> str:
        return f"{' and '.join(self.names)} together"

    @property
    def question(self) -> str:
        first, second = self.names
        return f"How far does the score move when both move, and does the effect of {first} depend on {second}?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> PairNumbers:
        study = facts_of(table)
        losses = [judged for (_, names), judged in judge_grids(table).items() if names == self.names]
        return PairNumbers(study.turned_title, self.names, study.margin, study.num_first_seeds, losses)

    def draw(self, info: PairNumbers) -> Drawing | None:
        """A frame a loss; its cells are the levels of the first hyperparameter across, of the second upwards."""
        if not info.losses:
            return None
        title = f"{info.title}: difference from default<br>{info.names[0]} across, {info.names[1]} upwards"
        losses = [judged.grid.loss for judged in info.losses]
        drawn = frames(losses, {title: title}, num_entries=1, columns=MAX_FRAMES)
        largest = max(info.margin, *(_largest(judged.grid) for judged in info.losses))
        bar = {"thickness": 12, "outlinewidth": 0}
        drawn.update_layout(
            title_pad_t=TWO_LINES, coloraxis={"colorscale": SCALE, "cmin": -largest, "cmax": largest, "colorbar": bar}
        )
        for i, judged in enumerate(info.losses):
            _add(drawn, i, judged)
        return drawn

    def rows(self, info: PairNumbers) -> pd.DataFrame | None:
        if not info.losses:
            return None
        return pd.DataFrame([_row(judged) for judged in info.losses])

    def answer(self, info: PairNumbers) -> str:
        if not info.losses:
            return f"No loss has a trial that moved {' and '.join(self.names)} together."
        if info.num_seeds < MIN_SEEDS:
            return (
                f"With {counted(info.num_seeds, 'seed')} no interval can be trusted, so nothing is called an "
                f"interaction; run at least {MIN_SEEDS}."
            )
        lines = [line for judged in info.losses for line in (_interaction(judged, info.margin), *_surely(judged))]
        return "\n".join([*lines, EXPLAINED])


def _interaction(judged: Together, margin: float) -> str:
    (first, second), loss = judged.grid.names, judged.grid.loss
    largest, setting = with_interval(judged.largest, SIGNED), _setting(judged.grid, judged.largest_at)
    if judged.status == ADDS_UP:
        return (
            f"{loss}: {first} and {second} add up: everywhere both together are within the margin of {margin:g} of the "
            "sum of each alone."
        )
    if judged.status == OPEN:
        return (
            f"{loss}: whether the effect of {first} depends on {second} is not decided; the largest interaction is "
            f"{largest}, at {setting}."
        )
    small = f", but everywhere by less than the margin of {margin:g}" if judged.status == SMALL else ""
    away = f"at {setting} both together are {largest} away from the sum of each alone"
    return f"{loss}: the effect of {first} depends on {second}{small}: {away}."


def _surely(judged: Together) -> list[str]:
    """What is sure of the settings that leave both defaults."""
    together, parts = judged.grid.together, []
    for sign, word in ((-1, "worse"), (1, "better")):
        places = [place for place in judged.settings if judged.signs_AB[place] == sign and together[place]]
        if places:
            farthest = max(places, key=lambda place: sign * judged.settings[place].value)
            extreme = f"{with_interval(judged.settings[farthest], SIGNED)} at {_setting(judged.grid, farthest)}"
            parts.append(f"surely {word} than the default in {len(places)} (most {extreme})")
    num = counted(int(together.sum()), "setting")
    return [f"{judged.grid.loss}: of {num} that leave both defaults it is {'; '.join(parts)}."] if parts else []


def _row(judged: Together) -> dict[str, Any]:
    grid = judged.grid
    measured = np.isfinite(grid.differences_ABS).any(-1)[grid.together]
    signs = judged.signs_AB[grid.together]
    return {
        "loss": grid.loss,
        "one depends on the other": judged.status,
        "largest interaction": with_interval(judged.largest, SIGNED),
        "at": _setting(grid, judged.largest_at),
        "settings of both": f"{int(measured.sum())} of {len(measured)}",
        "surely worse": int((signs < 0).sum()),
        "surely better": int((signs > 0).sum()),
        "diverged settings": int(grid.broken.sum()),
        "seeds": judged.largest.n,
    }


def _setting(grid: Grid, place: Place) -> str:
    """`clip 0.2 and gamma_neg 9`."""
    return " and ".join(
        f"{name} {level(levels[k])}" for name, levels, k in zip(grid.names, grid.levels, place, strict=True)
    )


def _largest(grid: Grid) -> float:
    means = nan_mean(grid.differences_ABS)
    return float(np.nanmax(np.abs(means))) if np.isfinite(means).any() else 0.0


def _add(drawn: Drawing, frame: int, judged: Together) -> None:
    """The cells of a loss: colour is the mean difference, marks what is sure, the hover text its own interval."""
    grid, axis = judged.grid, axis_number(frame)
    places = [(int(i), int(j)) for i, j in np.ndindex(grid.away.shape)]
    intervals = [_own_interval(grid, place) for place in places]
    columns, rows = ([level(value) for value in levels] for levels in grid.levels)
    drawn.add_heatmap(
        x=[columns[i] for i, _ in places],
        y=[rows[j] for _, j in places],
        z=plain(interval.value for interval in intervals),
        text=["◆" if place == grid.default else MARKS[int(judged.signs_AB[place])] for place in places],
        texttemplate="%{text}",
        textfont={"color": INK},
        hovertext=[_hover(judged, place, interval) for place, interval in zip(places, intervals, strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
        customdata=[plain((interval.low, interval.high)) for interval in intervals],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        xaxis=f"x{axis}",
        yaxis=f"y{axis}",
        name=grid.loss,
        meta={"loss": grid.loss},
    )
    keys = {"type": "category", "categoryorder": "array", "showgrid": False, "linecolor": FAINT}
    ticks = columns if len(columns) <= MAX_TICKS else [columns[0], columns[len(columns) // 2], columns[-1]]
    drawn.update_layout({f"xaxis{axis}": {**keys, "categoryarray": columns, "tickvals": ticks, "tickangle": 0}})
    drawn.update_layout({f"yaxis{axis}": {**keys, "categoryarray": rows}})


def _own_interval(grid: Grid, place: Place) -> Interval:
    """The mean difference of a setting with its own 95 % interval; exactly 0 at the default."""
    if place == grid.default:
        return Interval(0.0, 0.0, 0.0, int(np.isfinite(grid.scores_ABS[place]).sum()))
    return t_interval(grid.differences_ABS[place], error=float(grid.difference_errors_AB[place]), shared=grid.shared)


def _hover(judged: Together, place: Place, own: Interval) -> str:
    grid = judged.grid
    sure = {-1: "surely worse than the default", 0: "not decided", 1: "surely better than the default"}
    words = "the default" if place == grid.default else sure[int(judged.signs_AB[place])]
    diverged = int(grid.diverged_ABS[place].sum())
    ends = f" ({number(own.low, SIGNED)} to {number(own.high, SIGNED)})" if np.isfinite(own.low) else " (no interval)"
    setting = _setting(grid, place).replace(" and ", "<br>")
    lines = [f"<b>{grid.loss}</b>", setting, f"{number(own.value, SIGNED)}{ends}", words]
    return "<br>".join([*lines, f"{own.n} seeds, {diverged} diverged"])
