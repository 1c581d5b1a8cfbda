"""What a paper prints as a figure alone: what it shows and claims in words, beside what the study measured.

No value can be read off such a figure, so none is given: the JSON file says where it is, its axes and its claim.
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import figure, looks, plain, symbols
from evenkeel.reports.papers.matching import family, matching_labels
from evenkeel.reports.statistics.curves import naive_curve
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.table.designs import default_score, sweep_of, swept_hyperparameters, with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, level, number, with_interval

GROUPS = ("head", "medium", "tail")


@dataclass(frozen=True)
class PrintedFigure:
    """A printed figure. It shows `measures` of `losses` over the levels of `moved`, as scores or (`from_best`) as
    differences from the best level; without `moved` by classes, here by class group at each loss's default.
    """

    key: str
    title: str
    source: str
    shows: str
    claim: str
    data: tuple[str, ...]
    losses: tuple[str, ...]
    measures: tuple[str, ...]
    setup: dict[str, Any]
    split: str = "test"
    moved: str | None = None
    from_best: bool = False
    remark: str = ""


class FigureLine(NamedTuple):
    """Ours of one loss (its `label` in the study) and measure: a value a level, or a class group."""

    loss: str
    label: str
    measure: str
    places: list[str]
    values: list[Interval]
    differences: np.ndarray


class FigureNumbers(NamedTuple):
    printed: PrintedFigure
    data: str
    lines: list[FigureLine]
    looks: dict[str, tuple[str, str]]


def printed_figures() -> list[PrintedFigure]:
    """All of them, in the order of the file."""
    contents = json.loads(
        files("evenkeel.reports.papers").joinpath("figures_of_papers.json").read_text(encoding="utf-8")
    )
    return [
        PrintedFigure(**entry | {name: tuple(entry[name]) for name in ("data", "losses", "measures")})
        for entry in contents
    ]


@dataclass(frozen=True)
class FiguresOfPapers:
    """A printed figure, in words, beside our curves."""

    printed: PrintedFigure = field(repr=False)

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls(printed) for printed in printed_figures() if _applies(printed, table)]

    @property
    def key(self) -> str:
        return self.printed.key

    @property
    def title(self) -> str:
        return self.printed.title

    @property
    def question(self) -> str:
        return "Comparison with what the figure in the paper shows"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> FigureNumbers:
        study, printed = facts_of(table), self.printed
        lines_of = _by_group if printed.moved is None else _by_level
        lines = [
            lines_of(table, printed, label, measure)
            for label in _labels(printed, table)
            for measure in printed.measures
        ]
        return FigureNumbers(printed, study.data.name, [line for line in lines if line], looks(study.losses))

    def draw(self, info: FigureNumbers) -> Drawing | None:
        if not info.lines:
            return None
        printed = info.printed
        split = f"on {printed.split}"
        y_title = f"difference from best {split}" if printed.from_best else f"{', '.join(printed.measures)} {split}"
        drawn = figure(x_title=printed.moved or "classes", y_title=y_title)
        shapes = symbols(printed.measures if printed.moved is None else dict.fromkeys(x.label for x in info.lines))
        for line in info.lines:
            values = line.differences if printed.from_best else [interval.value for interval in line.values]
            drawn.add_scatter(
                x=line.places,
                y=plain(values),
                mode="lines+markers",
                line={"color": info.looks[line.label][0], "dash": info.looks[line.label][1]},
                marker={"size": 8, "symbol": shapes.get(line.label) or shapes[line.measure]},
                name=line.label if len(printed.measures) == 1 else f"{line.label}, {line.measure}",
                legendgroup=line.label,
            )
        drawn.update_xaxes(type="category")
        return drawn

    def rows(self, info: FigureNumbers) -> pd.DataFrame | None:
        if not info.lines:
            return None
        column = info.printed.moved or "classes"
        rows = [
            {"loss": line.label, "score": line.measure, column: place, "here": with_interval(value)}
            | ({"difference from best": number(difference, SIGNED)} if info.printed.from_best else {})
            for line in info.lines
            for place, value, difference in zip(line.places, line.values, line.differences, strict=True)
        ]
        return pd.DataFrame(rows)

    def answer(self, info: FigureNumbers) -> str:
        printed = info.printed
        sentences = [
            f"A figure without numbers that could be read. It shows {printed.shows}",
            f"It says: {printed.claim}",
            *_here(info),
            printed.remark,
            f"Data: {info.data}, as there. Source: {printed.source}.",
        ]
        return "\n".join(sentence for sentence in sentences if sentence)


def _labels(printed: PrintedFigure, table: pd.DataFrame) -> list[str]:
    study = facts_of(table)
    matched = [matching_labels(study, loss, data=printed.data, setup=printed.setup) for loss in printed.losses]
    return [label for label in study.losses if label in sum(matched, [])]


def _applies(printed: PrintedFigure, table: pd.DataFrame) -> bool:
    labels = _labels(printed, table)
    if printed.moved is not None:
        families = {family(facts_of(table).losses[label]) for label in labels}
        return printed.moved in swept_hyperparameters(table) and families >= set(printed.losses)
    columns = [f"{printed.split}_{measure}" for measure in printed.measures]
    return bool(labels) and all(name in table and table[name].notna().any() for name in columns)


def _by_level(table: pd.DataFrame, printed: PrintedFigure, label: str, measure: str) -> FigureLine | None:
    assert printed.moved is not None
    sweep = sweep_of(with_metric(table, measure), label, printed.moved)
    if sweep is None:
        return None
    levels, loss = [level(value) for value in sweep.levels], family(facts_of(table).losses[label])
    return FigureLine(loss, label, measure, levels, sweep.level_scores, naive_curve(sweep.scores_LS))


def _by_group(table: pd.DataFrame, printed: PrintedFigure, label: str, measure: str) -> FigureLine | None:
    split, groups = printed.split, [g for g in GROUPS if f"{printed.split}_{measure}_{g}" in table]
    values = {group: default_score(table, label, measure, group, split) for group in groups}
    scored = {group: value for group, value in values.items() if value.n}
    if not scored:
        return None
    loss = family(facts_of(table).losses[label])
    return FigureLine(loss, label, measure, list(scored), list(scored.values()), np.full(len(scored), np.nan))


def _here(info: FigureNumbers) -> list[str]:
    """What ours says to the claim."""
    lines = [line for line in info.lines if any(np.isfinite(value.value) for value in line.values)]
    if info.printed.from_best:
        drops = [f"{line.label} {number(float(np.nanmin(line.differences)), SIGNED)}" for line in lines]
        return [f"Here the lowest difference from the best level is {', '.join(drops)}."] if drops else []
    if info.printed.moved is None:
        ratios = [f"{x.label} {x.measure} {_tail_by_head(x):.2f}" for x in lines if np.isfinite(_tail_by_head(x))]
        return [f"Here tail classes have, in what head classes have: {', '.join(ratios)}."] if ratios else []
    first, second = ([line for line in lines if line.loss == loss] for loss in info.printed.losses)
    return [_above(a, b) for a in first for b in second]


def _tail_by_head(line: FigureLine) -> float:
    by_group = dict(zip(line.places, (value.value for value in line.values), strict=True))
    return by_group["tail"] / by_group["head"] if by_group.keys() >= {"head", "tail"} and by_group["head"] else np.nan


def _above(first: FigureLine, second: FigureLine) -> str:
    """At how many shared levels the second loss lies above the first."""
    ours, theirs = (dict(zip(x.places, (value.value for value in x.values), strict=True)) for x in (first, second))
    shared = [place for place in ours if place in theirs and np.isfinite(ours[place] - theirs[place])]
    won = sum(theirs[place] > ours[place] for place in shared)
    return f"Here {second.label} lies above {first.label} at {won} of {len(shared)} levels."
