"""What a paper prints as a picture alone: what it shows and claims in words, beside what the study measured.

No value can be read off such a picture, so none is given: the JSON file says where it is, its axes and its claim.
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import figure, looks, plain, symbols
from evenkeel.reports.papers.numbers_of_papers import family
from evenkeel.reports.statistics.curves import naive_curve
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.table.designs import default_score, sweep_of, swept, with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, level, listed, number, with_interval

GROUPS = ("head", "medium", "tail")


@dataclass(frozen=True)
class Picture:
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
    split: str = "test"
    moved: str | None = None
    from_best: bool = False
    remark: str = ""


class Line(NamedTuple):
    """Ours of one loss (its `label` in the study) and measure: a value a level, or a class group."""

    loss: str
    label: str
    measure: str
    at: list[str]
    values: list[Interval]
    differences: np.ndarray


class Info(NamedTuple):
    picture: Picture
    data: str
    lines: list[Line]
    looks: dict[str, tuple[str, str]]


def pictures() -> list[Picture]:
    """All of them, in the order of the file."""
    contents = json.loads(
        files("evenkeel.reports.papers").joinpath("figures_of_papers.json").read_text(encoding="utf-8")
    )
    return [Picture(**one | {name: tuple(one[name]) for name in ("data", "losses", "measures")}) for one in contents]


@dataclass(frozen=True)
class Pictured:
    """A printed picture, in words, beside our curves."""

    picture: Picture = field(repr=False)

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls(picture) for picture in pictures() if _applies(picture, table)]

    @property
    def key(self) -> str:
        return self.picture.key

    @property
    def title(self) -> str:
        return self.picture.title

    @property
    def question(self) -> str:
        return "Does what the picture shows come back?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        study, picture = facts_of(table), self.picture
        of = _by_group if picture.moved is None else _by_level
        found = [
            of(table, picture, label, measure) for label in _labels(picture, table) for measure in picture.measures
        ]
        return Info(picture, study.data.name, [line for line in found if line], looks(study.losses))

    def draw(self, info: Info) -> Drawing | None:
        if not info.lines:
            return None
        picture = info.picture
        where = f"on {picture.split}"
        y_title = f"difference from best {where}" if picture.from_best else f"{', '.join(picture.measures)} {where}"
        drawn = figure(x_title=picture.moved or "classes", y_title=y_title)
        shapes = symbols(picture.measures if picture.moved is None else dict.fromkeys(x.label for x in info.lines))
        for line in info.lines:
            values = line.differences if picture.from_best else [interval.value for interval in line.values]
            drawn.add_scatter(
                x=line.at,
                y=plain(values),
                mode="lines+markers",
                line={"color": info.looks[line.label][0], "dash": info.looks[line.label][1]},
                marker={"size": 8, "symbol": shapes.get(line.label) or shapes[line.measure]},
                name=line.label if len(picture.measures) == 1 else f"{line.label}, {line.measure}",
                legendgroup=line.label,
            )
        drawn.update_xaxes(type="category")
        return drawn

    def rows(self, info: Info) -> pd.DataFrame | None:
        if not info.lines:
            return None
        where = info.picture.moved or "classes"
        rows = [
            {"loss": line.label, "score": line.measure, where: at, "here": with_interval(value)}
            | ({"difference from best": number(difference, SIGNED)} if info.picture.from_best else {})
            for line in info.lines
            for at, value, difference in zip(line.at, line.values, line.differences, strict=True)
        ]
        return pd.DataFrame(rows)

    def answer(self, info: Info) -> str:
        picture = info.picture
        same = "the same data" if info.data in picture.data else f"{listed(picture.data)} there, {info.data} here"
        said = [
            f"A picture without numbers that could be read. It shows {picture.shows}",
            f"It says: {picture.claim}",
            *_here(info),
            picture.remark,
            f"Data: {same}. Source: {picture.source}.",
        ]
        return "\n".join(sentence for sentence in said if sentence)


def _labels(picture: Picture, table: pd.DataFrame) -> list[str]:
    return [label for label, facts in facts_of(table).losses.items() if family(facts) in picture.losses]


def _applies(picture: Picture, table: pd.DataFrame) -> bool:
    labels = _labels(picture, table)
    if picture.moved is not None:
        here = {family(facts_of(table).losses[label]) for label in labels}
        return picture.moved in swept(table) and here >= set(picture.losses)
    columns = [f"{picture.split}_{measure}" for measure in picture.measures]
    return bool(labels) and all(name in table and table[name].notna().any() for name in columns)


def _by_level(table: pd.DataFrame, picture: Picture, label: str, measure: str) -> Line | None:
    assert picture.moved is not None
    sweep = sweep_of(with_metric(table, measure), label, picture.moved)
    if sweep is None:
        return None
    levels, loss = [level(value) for value in sweep.levels], family(facts_of(table).losses[label])
    return Line(loss, label, measure, levels, sweep.level_scores, naive_curve(sweep.scores_LS))


def _by_group(table: pd.DataFrame, picture: Picture, label: str, measure: str) -> Line | None:
    split, groups = picture.split, [g for g in GROUPS if f"{picture.split}_{measure}_{g}" in table]
    values = {group: default_score(table, label, measure, group, split) for group in groups}
    known = {group: value for group, value in values.items() if value.n}
    if not known:
        return None
    loss = family(facts_of(table).losses[label])
    return Line(loss, label, measure, list(known), list(known.values()), np.full(len(known), np.nan))


def _here(info: Info) -> list[str]:
    """What ours says to the claim."""
    lines = [line for line in info.lines if any(np.isfinite(value.value) for value in line.values)]
    if info.picture.from_best:
        drops = [f"{line.label} {number(float(np.nanmin(line.differences)), SIGNED)}" for line in lines]
        return [f"Here the lowest difference from the best level is {', '.join(drops)}."] if drops else []
    if info.picture.moved is None:
        ratios = [f"{x.label} {x.measure} {_tail_by_head(x):.2f}" for x in lines if np.isfinite(_tail_by_head(x))]
        return [f"Here tail classes have, in what head classes have: {', '.join(ratios)}."] if ratios else []
    first, second = ([line for line in lines if line.loss == loss] for loss in info.picture.losses)
    return [_above(one, other) for one in first for other in second]


def _tail_by_head(line: Line) -> float:
    of = dict(zip(line.at, (value.value for value in line.values), strict=True))
    return of["tail"] / of["head"] if of.keys() >= {"head", "tail"} and of["head"] else np.nan


def _above(one: Line, other: Line) -> str:
    """At how many shared levels the second loss lies above the first."""
    ours, theirs = (dict(zip(x.at, (value.value for value in x.values), strict=True)) for x in (one, other))
    shared = [at for at in ours if at in theirs and np.isfinite(ours[at] - theirs[at])]
    won = sum(theirs[at] > ours[at] for at in shared)
    return f"Here {other.label} lies above {one.label} at {won} of {len(shared)} levels."
