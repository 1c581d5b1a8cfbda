"""What does each loss score at its default? The level beside which every drop is read."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.facts import LossFacts
from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, figure, looks, plain
from evenkeel.reports.statistics.intervals import Interval, jackknife_error, t_interval
from evenkeel.reports.table.designs import best_of, default_images, default_score, default_scores, losses_of
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, listed, number, with_interval

FLOOR, BEST = "constant predictor", "best of the study, chosen on validation"


class Level(NamedTuple):
    """One loss at its default: mean over seeds, and the difference from the study's first loss, paired by seed."""

    loss: str
    score: Interval
    against_first: Interval
    scores_S: np.ndarray
    colour: str


class DefaultsNumbers(NamedTuple):
    """`floor` is what a predictor reaches that does not look at the image; `best` the best cross-fitted score."""

    title: str
    levels: list[Level]
    floor: float
    best: float
    departures: dict[str, str]
    """By loss, in words: where its default is not the published one."""
    sign: int = 1
    """1 where a higher score is better, -1 where a lower one is; all numbers here are as measured."""


@dataclass(frozen=True)
class Defaults:
    """Scores at the defaults, which are the published ones where the study fixes nothing else."""

    key: str = "defaults"
    title: str = "At the defaults"
    question: str = "Score of each loss at its published defaults"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> DefaultsNumbers:
        look = looks(facts_of(table).losses)
        scored = [loss for loss in losses_of(table) if np.isfinite(default_scores(table, loss)).any()]
        return DefaultsNumbers(
            facts_of(table).title,
            [_level(table, loss, scored[0], look[loss][0]) for loss in scored],
            facts_of(table).floor,
            best_of(table),
            {
                loss: _departs(facts)
                for loss, facts in facts_of(table).losses.items()
                if loss in scored and facts.published
            },
            facts_of(table).sign,
        )

    def draw(self, info: DefaultsNumbers) -> Drawing | None:
        if not info.levels:
            return None
        drawn = figure(x_title="", y_title=f"{info.title} on test", height=320)
        losses = [level.loss for level in info.levels]
        for name, value, dash in ((FLOOR, info.floor, "dot"), (BEST, info.best, "dash")):
            if np.isfinite(value):
                drawn.add_scatter(
                    x=losses,
                    y=plain([value] * len(losses)),
                    mode="lines" if len(losses) > 1 else "markers",
                    line={"color": FAINT, "width": 1, "dash": dash},
                    marker={"color": FAINT, "size": 14, "symbol": "line-ew-open"},
                    name=name,
                    hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
                )
        for level in info.levels:
            points = level.scores_S[np.isfinite(level.scores_S)]
            drawn.add_scatter(
                x=[level.loss] * len(points),
                y=points.round(6).tolist(),
                mode="markers",
                name=level.loss,
                showlegend=False,
                marker={"color": level.colour, "size": 9, "opacity": 0.55},
                hovertemplate=f"{level.loss}: %{{y:.3f}}<extra></extra>",
            )
        return drawn

    def rows(self, info: DefaultsNumbers) -> pd.DataFrame | None:
        if not info.levels:
            return None
        return pd.DataFrame(
            {
                "loss": [level.loss for level in info.levels],
                "score": [with_interval(level.score) for level in info.levels],
                f"minus {info.levels[0].loss}, paired": [
                    "" if i == 0 else with_interval(level.against_first, SIGNED) for i, level in enumerate(info.levels)
                ],
                "seeds": [level.score.n for level in info.levels],
            }
        )

    def answer(self, info: DefaultsNumbers) -> str:
        if not info.levels:
            return "No loss was run at its default."
        order = sorted(info.levels, key=lambda level: -info.sign * level.score.value)
        scores = ", ".join(f"{level.loss} {number(level.score.value)}" for level in order)
        floor = f" A predictor that ignores the image scores {number(info.floor)}." if np.isfinite(info.floor) else ""
        departing = "; ".join(f"{loss} has {words}" for loss, words in info.departures.items())
        not_published = f" Not as published: {departing}." if departing else ""
        return f"{info.title}, mean over seeds: {scores}.{floor}{not_published}"


def _departs(facts: LossFacts) -> str:
    return listed([f"{name} {facts.defaults[name]} ({value})" for name, value in facts.published.items()])


def _level(table: pd.DataFrame, loss: str, first: str, colour: str) -> Level:
    study, scores = facts_of(table), [default_scores(table, name) for name in (loss, first)]
    images = [default_images(table, name) for name in (loss, first)]
    paired = 0.0 if images[0] is None or images[1] is None else float(jackknife_error(images[0] - images[1]))
    against = t_interval(scores[0] - scores[1], error=paired, shared=study.shared)
    return Level(loss, default_score(table, loss, study.metric), against, scores[0], colour)
