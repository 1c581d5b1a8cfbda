"""One hyperparameter: how far does the score move away from the default?"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from reports.curves import Null, cross_fitted_curve, flat_null, naive_curve, seed_noise, span
from reports.designs import Sweep, losses_of, sweep_of, swept
from reports.drawing import Drawing
from reports.facts import StudyFacts
from reports.judging import NEAR, NOISY, NOT_JUDGED, Judgement, judge
from reports.sections.verdicts import settles
from reports.statistics import MIN_SEEDS, Interval, nan_mean, wilson
from reports.style import FAINT, MARGIN, faded, figure, looks, plain
from reports.table import facts_of
from reports.words import PERCENT, SIGNED, level, number, p_value, with_interval


class Curve(NamedTuple):
    """One loss: the reference curve R2 with intervals, the naive curve R1, and what the table shows."""

    sweep: Sweep
    reference: list[Interval]
    naive: np.ndarray
    judged: Judgement
    diverged: list[Interval]
    crossed: np.ndarray
    null: Null
    span: Interval
    noise: float
    source: str
    colour: str
    dash: str


class Info(NamedTuple):
    name: str
    symbol: str
    title: str
    margin: float
    log: bool
    curves: list[Curve]


@dataclass(frozen=True)
class Sensitivity:
    """The curves of one hyperparameter, all losses that have it in one frame."""

    name: str

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls(name) for name in swept(table)]

    @property
    def key(self) -> str:
        return f"sensitivity-{self.name}"

    @property
    def title(self) -> str:
        return f"Sensitivity to {self.name}"

    @property
    def question(self) -> str:
        return f"How far does the score move when {self.name} leaves its default?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        study = facts_of(table)
        parameters = [f.space[self.name] for f in study.losses.values() if self.name in f.space]
        look = looks(study.losses)
        curves = []
        for loss in losses_of(table):
            if sweep := sweep_of(table, loss, self.name):
                curves.append(_curve(sweep, study, look[loss], rng))
        return Info(self.name, parameters[0].symbol, study.title, study.margin, parameters[0].log, curves)

    def draw(self, info: Info) -> Drawing | None:
        if not info.curves:
            return None
        drawn = figure(
            x_title=f"{info.name} ({info.symbol})", y_title=f"difference in {info.title}<br>from the default"
        )
        drawn.add_hrect(y0=-info.margin, y1=info.margin, fillcolor=MARGIN, line_width=0, layer="below")
        drawn.add_hline(y=0, line={"color": FAINT, "width": 1})
        if info.log:
            drawn.update_xaxes(type="log")
        if any(not isinstance(v, int | float) for c in info.curves for v in c.sweep.levels):
            drawn.update_xaxes(type="category")
        for i, curve in enumerate(info.curves):
            _add(drawn, curve, first=i == 0)
        return drawn

    def rows(self, info: Info) -> pd.DataFrame | None:
        if not info.curves:
            return None
        return pd.DataFrame(
            {
                "loss": [c.sweep.loss for c in info.curves],
                "default": [level(c.sweep.levels[c.sweep.default]) for c in info.curves],
                "default from": [c.source for c in info.curves],
                "levels": [", ".join(map(level, c.sweep.levels)) for c in info.curves],
                "score at default": [number(nan_mean(c.sweep.scores_LS)[c.sweep.default]) for c in info.curves],
                "worst drop": [with_interval(c.judged.drop, SIGNED) for c in info.curves],
                "± seeds": [number(c.judged.drop.of_seeds, "{:.4f}") for c in info.curves],
                "± images": [number(c.judged.drop.of_images or np.nan, "{:.4f}") for c in info.curves],
                "diverged": [_divergence(c) for c in info.curves],
                "span": [with_interval(c.span) for c in info.curves],
                "seed noise": [number(c.noise) for c in info.curves],
                "noise / span": [_ratio(c) for c in info.curves],
                "p (flat)": [p_value(c.null.p) for c in info.curves],
                "seeds": [c.judged.drop.n for c in info.curves],
                "verdict": [c.judged.status for c in info.curves],
            }
        )

    def answer(self, info: Info) -> str:
        if not info.curves:
            return f"No loss has a finished sweep of {info.name}."
        return "\n".join(_sentence(curve) for curve in info.curves)


def _curve(sweep: Sweep, study: StudyFacts, look: tuple[str, str], rng: np.random.Generator) -> Curve:
    ended_LS = sweep.diverged_LS | np.isfinite(sweep.scores_LS)
    rates = [wilson(int(k), int(n)) for k, n in zip(sweep.diverged_LS.sum(1), ended_LS.sum(1), strict=True)]
    return Curve(
        sweep,
        sweep.reference,
        naive_curve(sweep.scores_LS),
        judge(sweep, study.margin, study.floor),
        rates,
        nan_mean(cross_fitted_curve(sweep.scores_LS, sweep.val_LS)),
        flat_null(sweep.differences_LS, sweep.default, rng),
        span(sweep.differences_LS, sweep.images_LG, shared=sweep.shared),
        seed_noise(sweep.scores_LS),
        study.losses[sweep.loss].space[sweep.name].source,
        *look,
    )


def _add(drawn: Drawing, curve: Curve, *, first: bool) -> None:
    loss, levels = curve.sweep.loss, curve.sweep.levels
    x = [value if isinstance(value, int | float) else str(value) for value in levels]
    seeds = curve.sweep.seeds
    drawn.add_scatter(
        x=x * len(seeds),
        y=plain(curve.sweep.differences_LS.T.ravel()),
        text=[f"seed {seed}" for seed in seeds for _ in x],
        mode="markers",
        marker={"color": faded(curve.colour, 0.28), "size": 5},
        legendgroup=loss,
        showlegend=False,
        hovertemplate=f"{loss}, %{{text}}<br>%{{x}}: %{{y:+.3f}}<extra></extra>",
    )
    drawn.add_scatter(
        x=x,
        y=plain(curve.naive),
        mode="lines",
        line={"color": faded(curve.colour, 0.55), "width": 1, "dash": "dash"},
        name="naive (RAL Fig. 4): difference from own best",
        legendgroup="naive",
        showlegend=first,
        hovertemplate=f"{loss}, naive<br>%{{x}}: %{{y:+.3f}}<extra></extra>",
    )
    for limit, fill in ((curve.null.high_L, None), (curve.null.low_L, "tonexty")):
        drawn.add_scatter(
            x=x,
            y=plain(limit),
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor=faded(FAINT, 0.12),
            name="where naive lies if nothing matters (95%)",
            legendgroup="null",
            showlegend=first and fill is not None,
            hoverinfo="skip",
        )
    drawn.add_scatter(
        x=x,
        y=plain(curve.crossed),
        mode="lines",
        line={"color": curve.colour, "width": 1.5, "dash": "dot"},
        name="cross-fitted difference from best",
        legendgroup="cross-fitted",
        showlegend=first,
        hovertemplate=f"{loss}, cross-fitted<br>%{{x}}: %{{y:+.3f}}<extra></extra>",
    )
    ends = [(i.high - i.value, i.value - i.low) for i in curve.reference]
    drawn.add_scatter(
        x=x,
        y=plain(i.value for i in curve.reference),
        error_y={
            "type": "data",
            "array": plain(up for up, _ in ends),
            "arrayminus": plain(down for _, down in ends),
            "thickness": 1.5,
            "width": 4,
        },
        mode="lines+markers",
        line={"color": curve.colour, "width": 2.5, "dash": curve.dash},
        marker={
            "color": curve.colour,
            "size": [11 if k == curve.sweep.default else 7 for k in range(len(levels))],
            "symbol": ["diamond" if k == curve.sweep.default else "circle" for k in range(len(levels))],
        },
        name=loss,
        legendgroup=loss,
        hovertemplate=f"{loss}<br>%{{x}}: %{{y:+.3f}}<extra></extra>",
    )


def _ratio(curve: Curve) -> str:
    """R16: the seed noise in shares of the span."""
    return number(curve.noise / curve.span.value if curve.span.value > 0 else np.nan, "{:.2f}")


def _divergence(curve: Curve) -> str:
    """Levels with diverged seeds and the rate's Wilson interval."""
    levels = zip(curve.sweep.levels, curve.diverged, strict=True)
    found = [f"{level(value)}: {with_interval(rate, PERCENT)}" for value, rate in levels if rate.value > 0]
    return "; ".join(found) or "none"


def _sentence(curve: Curve) -> str:
    loss, judged = curve.sweep.loss, curve.judged
    drop, more = judged.drop, f" {'; '.join(judged.reasons)}." if judged.reasons else ""
    if judged.status == NOT_JUDGED:
        return f"{loss} is not judged: {'; '.join(judged.reasons)}."
    if drop.n < MIN_SEEDS:
        return f"{loss}: worst drop {number(drop.value, SIGNED)}, too few seeds for an interval (n = {drop.n}).{more}"
    measured = f"worst drop {with_interval(drop, SIGNED)}, n = {drop.n}"
    if judged.status == NOISY:
        return f"{loss} is too noisy to judge ({measured}; {settles(judged)}).{more}"
    words = "surely drops, by about the margin" if judged.status == NEAR else f"is {judged.status}"
    return f"{loss} {words} ({measured}).{more}"
