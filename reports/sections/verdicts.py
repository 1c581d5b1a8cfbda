"""Which loss is steady, in which hyperparameter, by how much, how sure."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, MARGIN, bars, figure, looks, plain, symbols
from evenkeel.reports.statistics.intervals import MIN_SEEDS
from evenkeel.reports.table.designs import losses_of, swept_hyperparameters
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, counted, level, listed, number, with_interval, with_symbol
from evenkeel.reports.verdict.family import WorstOver, judgements, rests_on, worst_over
from evenkeel.reports.verdict.looks import say_looks
from evenkeel.reports.verdict.verdict import (
    FEW_SEEDS,
    NOT_JUDGED,
    SENSITIVE,
    SIZE_OPEN,
    STEADY,
    TOO_NOISY,
    Judgement,
)

MAX_REASONS = 4
FOREST_ROW_HEIGHT, FOREST_GAP = 15, 0.7
"""Of the forest plot: height of a row in pixels, and what lies between two hyperparameters in rows."""


class VerdictCell(NamedTuple):
    """One loss in one hyperparameter."""

    loss: str
    name: str
    judged: Judgement


class VerdictsNumbers(NamedTuple):
    title: str
    margin: float
    losses: list[str]
    names: list[str]
    symbols: dict[str, str]
    cells: dict[tuple[str, str], VerdictCell]
    num_seeds: int
    looks: dict[str, tuple[str, str]]
    worst: dict[str, WorstOver]
    """Of each loss, over the hyperparameters that all losses share."""
    seeds: list[str]
    """Sentences on where seeds went; none where all have the same."""
    note: str


@dataclass(frozen=True)
class Verdicts:
    """The verdict grid: losses by hyperparameters."""

    key: str = "verdicts"
    title: str = "Verdicts"
    question: str = "Which loss is steady, in which hyperparameter, and how sure is that?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> VerdictsNumbers:
        study, names = facts_of(table), swept_hyperparameters(table)
        cells = {key: VerdictCell(*key, judged) for key, judged in judgements(table).items()}
        symbols = {n: p.symbol for facts in study.losses.values() for n, p in facts.space.items()}
        losses = [loss for loss in losses_of(table) if any(key[0] == loss for key in cells)]
        shared = [name for name in names if all(_is_judged(cells.get((loss, name))) for loss in losses)]
        return VerdictsNumbers(
            study.turned_title,
            study.margin,
            losses,
            names,
            symbols,
            cells,
            len(study.seeds),
            looks(study.losses),
            worst_over(table, losses, shared) if len(losses) > 1 and shared else {},
            say_looks(table),
            rests_on(table),
        )

    def draw(self, info: VerdictsNumbers) -> Drawing | None:
        """A forest plot: a row a loss and hyperparameter, worst changes with their intervals."""
        return _forest(info) if info.cells else None

    def rows(self, info: VerdictsNumbers) -> pd.DataFrame | None:
        """Hyperparameters by losses, the longer list downwards; a cell holds the verdict and the worst change."""
        if not info.cells:
            return None
        names = [with_symbol(name, info.symbols[name]) for name in info.names]
        grid = pd.DataFrame(
            [[_cell_text(info.cells.get((loss, name))) for loss in info.losses] for name in info.names],
            index=pd.Index(names, name="hyperparameter"),
            columns=pd.Index(info.losses, name="loss"),
        )
        return (grid if len(names) >= len(info.losses) else grid.T).reset_index().rename_axis(columns=None)

    def answer(self, info: VerdictsNumbers) -> str:
        if not info.cells:
            return "There is no finished sweep to judge."
        if info.num_seeds < MIN_SEEDS:
            return (
                f"With {counted(info.num_seeds, 'seed')} no interval can be trusted, so nothing "
                f"is called steady or sensitive; run at least {MIN_SEEDS}."
            )
        grid_lacks = "\n".join([*_shared(info), *_better(info), *_reasons(info), *_stuck(info), *info.seeds, info.note])
        in_words = "\n".join(_sentence(loss, _cells_of(info, loss)) for loss in info.losses)
        return f"{grid_lacks}\n\n{in_words}" if grid_lacks else in_words


def _forest(info: VerdictsNumbers) -> Drawing:
    rows = [info.cells[loss, name] for name in info.names for loss in info.losses if (loss, name) in info.cells]
    # A gap between hyperparameters, rows from above.
    place = {(c.loss, c.name): -i - FOREST_GAP * info.names.index(c.name) for i, c in enumerate(rows)}
    lowest = min(place.values()) - 1
    title = f"worst change in {info.title}"
    drawn = figure(x_title=title, y_title="", height=int(FOREST_ROW_HEIGHT * (1 - lowest)) + 110)
    drawn.add_vrect(x0=-info.margin, x1=info.margin, fillcolor=MARGIN, line_width=0, layer="below")
    drawn.add_vline(x=0, line={"color": FAINT, "width": 1})
    shapes = symbols(info.looks)
    for loss in info.losses:
        _add(drawn, [c for c in rows if c.loss == loss], place, info.looks[loss][0], shapes[loss])
    middle = {n: [place[c.loss, c.name] for c in rows if c.name == n] for n in info.names}
    drawn.update_yaxes(
        tickvals=[sum(places) / len(places) for places in middle.values()],
        ticktext=list(middle),
        range=[lowest, 1],
        showgrid=False,
    )
    drawn.update_layout(margin_l=95, margin_t=36, margin_r=125)
    return drawn


def _add(
    drawn: Drawing, cells: list[VerdictCell], place: dict[tuple[str, str], float], colour: str, symbol: str
) -> None:
    """The row of one loss in each hyperparameter; what is not judged is hollow."""
    drops = [c.judged.drop for c in cells]
    drawn.add_scatter(
        x=plain(d.value for d in drops),
        y=[place[c.loss, c.name] for c in cells],
        error_x=bars(drops, color=colour, thickness=1.5, width=0),
        mode="markers",
        marker={
            "color": colour,
            "size": 8,
            "symbol": [f"{symbol}{'-open' if c.judged.status == NOT_JUDGED else ''}" for c in cells],
        },
        name=cells[0].loss,
        legendgroup=cells[0].loss,
        customdata=[[c.name, c.judged.status, with_interval(c.judged.drop, SIGNED), c.judged.drop.n] for c in cells],
        hovertemplate="<b>%{fullData.name}</b>, %{customdata[0]}: %{customdata[1]}<br>"
        "%{customdata[2]}, %{customdata[3]} seeds<extra></extra>",
    )  # fmt: skip
    ends = [np.nanmax([drop.high, drop.value]) if np.isfinite(drop.value) else 0.0 for drop in drops]
    drawn.add_scatter(
        x=plain(ends), y=[place[c.loss, c.name] for c in cells], mode="text", text=[c.judged.status for c in cells],
        textposition="middle right", textfont={"size": 10, "color": colour}, name=cells[0].loss,
        legendgroup=cells[0].loss, showlegend=False, hoverinfo="skip", cliponaxis=False,
    )  # fmt: skip


def _shared(info: VerdictsNumbers) -> list[str]:
    """One sentence on the hyperparameters that all losses have: the only fair ground for a comparison."""
    if not info.worst:
        return []
    order = sorted(info.worst.items(), key=lambda pair: -pair[1].drop.value)
    parts = [f"{loss} {with_interval(worst.drop, SIGNED)} in {worst.name}" for loss, worst in order]
    names = [name for name in info.names if all((loss, name) in info.cells for loss in info.losses)]
    return [
        f"Over the hyperparameters that all losses share ({listed(names)}), the largest drops of {info.title}, margin "
        f"{info.margin:g}, are: {'; '.join(parts)}; intervals hold together and allow for the choice of the "
        "hyperparameter."
    ]


def _is_judged(cell: VerdictCell | None) -> bool:
    return cell is not None and cell.judged.status != NOT_JUDGED and np.isfinite(cell.judged.drop.value)


def _value(cell: VerdictCell | None) -> float:
    return cell.judged.drop.value if cell and cell.judged.status != NOT_JUDGED else np.nan


def _sentence(loss: str, cells: list[VerdictCell]) -> str:
    parts = []
    if steady := _of(cells, STEADY):
        parts.append(f"is steady in {_names(steady)}")
    if sensitive := _of(cells, SENSITIVE):
        worst = min(sensitive, key=_value)
        most = f", most in {worst.name}" if len(sensitive) > 1 else ""
        parts.append(
            f"is sensitive in {_names(sensitive)}{most} (worst change {with_interval(worst.judged.drop, SIGNED)})"
        )
    if near := _of(cells, SIZE_OPEN):
        parts.append(f"has a real drop, not surely above the margin, in {_names(near)}")
    if noisy := _of(cells, TOO_NOISY):
        parts.append(f"is too noisy to judge in {listed([_name_and_seeds(c) for c in noisy])}")
    if few := _of(cells, FEW_SEEDS):
        parts.append(f"has too few seeds in {_names(few)}")
    if unjudged := _of(cells, NOT_JUDGED):
        parts.append(f"is not judged in {_names(unjudged)} ({unjudged[0].judged.reasons[0]})")
    return f"{loss} {listed(parts)}."


def settles(judged: Judgement) -> str:
    """What would settle a verdict that is too noisy."""
    if judged.reasons:
        return "levels are incomplete"
    if judged.seeds_needed:
        return f"about {counted(judged.seeds_needed, 'seed')} would settle it"
    return f"more seeds will not settle it: {_why(judged.limited_by, 1)}"


def _why(limit: str, num: int) -> str:
    near = "its drop is" if num == 1 else "their drops are"
    return f"it takes more {limit}" if limit else f"{near} too close to the margin"


def _name_and_seeds(cell: VerdictCell) -> str:
    return f"{cell.name} ({settles(cell.judged)})" if cell.judged.seeds_needed or cell.judged.reasons else cell.name


def _stuck(info: VerdictsNumbers) -> list[str]:
    """What no number of seeds settles, once for each reason."""
    cells = [c for c in _of(list(info.cells.values()), TOO_NOISY) if not c.judged.seeds_needed and not c.judged.reasons]
    named: dict[str, list[str]] = {}
    for cell in cells:
        named.setdefault(cell.judged.limited_by, []).append(f"{cell.loss} {cell.name}")
    return [f"More seeds will not settle {listed(names)}: {_why(limit, len(names))}." for limit, names in named.items()]


def _cells_of(info: VerdictsNumbers, loss: str) -> list[VerdictCell]:
    return [cell for cell in info.cells.values() if cell.loss == loss]


def _of(cells: list[VerdictCell], status: str) -> list[VerdictCell]:
    return [cell for cell in cells if cell.judged.status == status]


def _names(cells: list[VerdictCell]) -> str:
    return listed([cell.name for cell in cells])


def _better(info: VerdictsNumbers) -> list[str]:
    """For each loss the level that beats its default most, and where else one does."""
    gains = []
    for loss in info.losses:
        beaten = sorted(
            (
                (c.judged.better_levels[0], c.name)
                for c in info.cells.values()
                if c.loss == loss and c.judged.better_levels
            ),
            key=lambda pair: -pair[0].gain.value,
        )
        if beaten:
            (best, name), more = beaten[0], listed([name for _, name in beaten[1:]])
            also = f" (also in {more})" if more else ""
            gains.append(f"{loss} gains {with_interval(best.gain, SIGNED)} at {name} {level(best.level)}{also}")
    return [f"The default is not the best: {'; '.join(gains)}."] if gains else []


def _reasons(info: VerdictsNumbers) -> list[str]:
    judged = [c for c in info.cells.values() if c.judged.status != NOT_JUDGED]
    reasons = list(dict.fromkeys(f"{c.loss} {reason}" for c in judged for reason in c.judged.reasons))
    more = f"; and {len(reasons) - MAX_REASONS} more" if len(reasons) > MAX_REASONS else ""
    return [f"Never called steady: {'; '.join(reasons[:MAX_REASONS])}{more}."] if reasons else []


def _cell_text(cell: VerdictCell | None) -> str:
    if cell is None:
        return ""
    drop = cell.judged.drop
    lines = [cell.judged.status, number(drop.value, SIGNED)]
    if np.isfinite(drop.low):
        lines.append(f"{number(drop.low, SIGNED)} to {number(drop.high, SIGNED)}")
    if cell.judged.reasons:
        lines.append(cell.judged.reasons[0])
    elif cell.judged.seeds_needed:
        lines.append(f"{counted(cell.judged.seeds_needed, 'seed')} would settle it")
    return "|".join(lines)
