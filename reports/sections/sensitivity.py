"""One hyperparameter: how far does the score move away from the default?"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, MARGIN, bars, faded, figure, looks, plain, symbols
from evenkeel.reports.sections.overview import held_at_defaults, hover
from evenkeel.reports.sections.verdicts import settles
from evenkeel.reports.statistics.curves import (
    FlatNull,
    cross_fitted_curve,
    flat_null,
    magnitude,
    naive_curve,
    seed_noise,
    span,
)
from evenkeel.reports.statistics.intervals import MIN_SEEDS, Interval, nan_mean, wilson
from evenkeel.reports.table.designs import Sweep, swept_hyperparameters
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import PERCENT, SIGNED, level, number, p_value, with_interval, with_symbol
from evenkeel.reports.verdict.family import family_of, judgements, sweeps_of
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SIZE_OPEN, TOO_NOISY, Judgement

NAIVE, CROSSED = "naive (RAL Fig. 4): difference from own best", "cross-fitted difference from best"
BAND, FLOORED = "where naive lies if nothing matters (95%)", "floor-scored: diverged seeds as the constant predictor"


class SensitivityCurve(NamedTuple):
    """One loss: the reference curve R2 with intervals, the naive curve R1, and what the table shows."""

    sweep: Sweep
    reference: list[Interval]
    naive: np.ndarray
    judged: Judgement
    diverged: list[Interval]
    crossed: np.ndarray
    null: FlatNull
    span: Interval
    size: float
    noise: float
    source: str
    held_fixed: str
    shape: str
    colour: str
    dash: str

    @property
    def default_score(self) -> float:
        """The mean score at the default, as measured."""
        return self.sweep.sign * float(nan_mean(self.sweep.scores_LS)[self.sweep.default])

    @property
    def broken(self) -> list[int]:
        """Numbers of the levels at which a seed diverged."""
        return np.flatnonzero(self.sweep.diverged_LS.any(1)).tolist()


class SensitivityNumbers(NamedTuple):
    name: str
    symbol: str
    title: str
    margin: float
    log: bool
    curves: list[SensitivityCurve]


@dataclass(frozen=True)
class Sensitivity:
    """The curves of one hyperparameter, all losses that have it in one frame."""

    name: str

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls(name) for name in swept_hyperparameters(table)]

    @property
    def key(self) -> str:
        return f"sensitivity-{self.name}"

    @property
    def title(self) -> str:
        return f"Sensitivity to {self.name}"

    @property
    def question(self) -> str:
        return f"How far does the score move when {self.name} leaves its default?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> SensitivityNumbers:
        study = facts_of(table)
        parameters = [f.space[self.name] for f in study.losses.values() if self.name in f.space]
        look, shapes = looks(study.losses), symbols(study.losses)
        curves = [
            _curve(table, sweep, (shapes[sweep.loss], *look[sweep.loss]), rng) for sweep in sweeps_of(table, self.name)
        ]
        symbol, log = parameters[0].symbol, parameters[0].log
        return SensitivityNumbers(self.name, symbol, study.turned_title, study.margin, log, curves)

    def draw(self, info: SensitivityNumbers) -> Drawing | None:
        if not info.curves:
            return None
        drawn = figure(
            x_title=with_symbol(info.name, info.symbol), y_title=f"difference in {info.title}<br>from the default"
        )
        drawn.add_hrect(y0=-info.margin, y1=info.margin, fillcolor=MARGIN, line_width=0, layer="below")
        drawn.add_hline(y=0, line={"color": FAINT, "width": 1})
        if info.log:
            drawn.update_xaxes(type="log")
        if any(not isinstance(v, int | float) for c in info.curves for v in c.sweep.levels):
            drawn.update_xaxes(type="category")
        for curve in info.curves:
            _add(drawn, curve)
        _explain(drawn, any(curve.broken for curve in info.curves))
        return drawn

    def rows(self, info: SensitivityNumbers) -> pd.DataFrame | None:
        """The columns that answer the question first."""
        if not info.curves:
            return None
        curves, broken = info.curves, any(curve.broken for curve in info.curves)
        floor_scored = {"worst change, floor-scored": [_floor_scored(c) for c in curves]} if broken else {}
        rows = pd.DataFrame(
            {
                "loss": [c.sweep.loss for c in curves],
                "verdict": [c.judged.status for c in curves],
                "worst change": [with_interval(c.judged.drop, SIGNED) for c in curves],
                "± seeds": [number(c.judged.drop.seed_half_width, "{:.4f}") for c in curves],
                "± images": [number(c.judged.drop.image_half_width or np.nan, "{:.4f}") for c in curves],
                "seeds": [c.judged.drop.n for c in curves],
                "diverged": [_divergence(c) for c in curves],
                **floor_scored,
                "span": [with_interval(c.span) for c in curves],
                "size": [number(c.size) for c in curves],
                "p (flat)": [p_value(c.null.p) for c in curves],
                "seed noise": [number(c.noise) for c in curves],
                "noise / span": [_ratio(c) for c in curves],
                "score at default": [number(c.default_score) for c in curves],
                "default": [level(c.sweep.levels[c.sweep.default]) for c in curves],
                "default from": [c.source for c in curves],
                "levels": [", ".join(map(level, c.sweep.levels)) for c in curves],
            }
        )
        rows.attrs["more"] = "span"
        return rows

    def answer(self, info: SensitivityNumbers) -> str:
        if not info.curves:
            return f"No loss has a finished sweep of {info.name}."
        return "\n".join(_sentence(curve) for curve in info.curves)


def _curve(table: pd.DataFrame, sweep: Sweep, look: tuple[str, str, str], rng: np.random.Generator) -> SensitivityCurve:
    facts, noise = facts_of(table).losses[sweep.loss], family_of(table).standard.noise
    ended_LS = sweep.diverged_LS | np.isfinite(sweep.scores_LS)
    rates = [wilson(int(k), int(n)) for k, n in zip(sweep.diverged_LS.sum(1), ended_LS.sum(1), strict=True)]
    null = flat_null(
        sweep.differences_LS, sweep.default, rng, images_LG=sweep.images_LG, shared=sweep.shared, noise=noise
    )
    return SensitivityCurve(
        sweep,
        sweep.reference,
        naive_curve(sweep.scores_LS),
        judgements(table)[sweep.loss, sweep.name],
        rates,
        nan_mean(cross_fitted_curve(sweep.scores_LS, sweep.val_LS)),
        null,
        span(sweep.differences_LS, sweep.images_LG, shared=sweep.shared),
        magnitude(sweep.differences_LS, sweep.default),
        seed_noise(sweep.scores_LS),
        facts.space[sweep.name].source,
        held_at_defaults(sweep, facts.defaults),
        *look,
    )


def _add(drawn: Drawing, curve: SensitivityCurve) -> None:
    """Everything of one loss; what all losses have is named by `_explain`."""
    loss, colour, seeds = curve.sweep.loss, curve.colour, curve.sweep.seeds
    x = [value if isinstance(value, int | float) else str(value) for value in curve.sweep.levels]
    common = {"x": x, "mode": "lines", "showlegend": False, "meta": {"loss": loss}}
    for limit, fill in ((curve.null.high_L, None), (curve.null.low_L, "tonexty")):
        shade = {"line": {"width": 0}, "fill": fill, "fillcolor": faded(FAINT, 0.12), "hoverinfo": "skip"}
        drawn.add_scatter(**common | shade, y=plain(limit), name=BAND, legendgroup=BAND)
    drawn.add_scatter(
        **common | {"x": x * len(seeds), "mode": "markers"}, y=plain(curve.sweep.differences_LS.T.ravel()),
        text=[f"seed {seed}" for seed in seeds for _ in x], marker={"color": faded(colour, 0.4), "size": 5},
        name=loss, legendgroup=loss, hovertemplate=f"{loss}, %{{text}}<br>%{{x}}: %{{y:+.3f}}<extra></extra>",
    )  # fmt: skip
    dashed, dotted = {"color": faded(colour, 0.55), "width": 1, "dash": "dash"}, {"color": colour, "dash": "dot"}
    for name, values, line in ((NAIVE, curve.naive, dashed), (CROSSED, curve.crossed, {**dotted, "width": 1.5})):
        words = f"{loss}, {name.split(' ')[0]}<br>%{{x}}: %{{y:+.3f}}<extra></extra>"
        drawn.add_scatter(**common, y=plain(values), line=line, name=name, legendgroup=name, hovertemplate=words)
    if curve.broken:
        drawn.add_scatter(
            **common | {"x": [x[k] for k in curve.broken], "mode": "markers"},
            y=plain(curve.sweep.floor_scored[curve.broken]), marker={"color": colour, "size": 9, "symbol": "x-open"},
            name=FLOORED, legendgroup=FLOORED,
            hovertemplate=f"{loss}, floor-scored<br>%{{x}}: %{{y:+.3f}}<extra></extra>",
        )  # fmt: skip
    marks = [("diamond", 11) if k == curve.sweep.default else (curve.shape, 7) for k in range(len(x))]
    drawn.add_scatter(
        **common | {"mode": "lines+markers", "showlegend": True}, y=plain(i.value for i in curve.reference),
        error_y=bars(curve.reference, thickness=1.5, width=4),
        line={"color": colour, "width": 2.5, "dash": curve.dash},
        marker={"color": colour, "size": [size for _, size in marks], "symbol": [shape for shape, _ in marks]},
        name=loss, legendgroup=loss, **hover(curve.sweep, curve.reference, curve.sweep.name, curve.held_fixed),
    )  # fmt: skip


def _explain(drawn: Drawing, broken: bool) -> None:
    """The legend of what every loss has, in no loss's colour; it stays when a loss is switched off."""
    looks: dict[str, dict[str, Any]] = {
        NAIVE: {"mode": "lines", "line": {"color": FAINT, "width": 1, "dash": "dash"}},
        CROSSED: {"mode": "lines", "line": {"color": FAINT, "width": 1.5, "dash": "dot"}},
        BAND: {"mode": "markers", "marker": {"color": faded(FAINT, 0.25), "size": 12, "symbol": "square"}},
        FLOORED: {"mode": "markers", "marker": {"color": FAINT, "size": 9, "symbol": "x-open"}},
    }
    for name, look in looks.items():
        if name != FLOORED or broken:
            drawn.add_scatter(x=[None], y=[None], name=name, legendgroup=name, **look)


def _floor_scored(curve: SensitivityCurve) -> str:
    """The worst change with diverged seeds at the constant predictor's score; the same drop where nothing diverged."""
    moved = curve.sweep.floor_scored[curve.sweep.moved]
    return number(float(np.nanmin(moved)) if np.isfinite(moved).any() else np.nan, SIGNED)


def _ratio(curve: SensitivityCurve) -> str:
    """R16: the seed noise in shares of the span."""
    return number(curve.noise / curve.span.value if curve.span.value > 0 else np.nan, "{:.2f}")


def _divergence(curve: SensitivityCurve) -> str:
    """Levels with diverged seeds and the rate's Wilson interval."""
    levels = [(curve.sweep.levels[k], curve.diverged[k]) for k in curve.broken]
    rates = [f"{level(value)}: {with_interval(rate, PERCENT)}" for value, rate in levels]
    return "; ".join(rates) or "none"


def _sentence(curve: SensitivityCurve) -> str:
    loss, judged = curve.sweep.loss, curve.judged
    drop, more = judged.drop, f" {'; '.join(judged.reasons)}." if judged.reasons else ""
    if judged.status == NOT_JUDGED:
        return f"{loss} is not judged: {'; '.join(judged.reasons)}."
    if drop.n < MIN_SEEDS:
        return f"{loss}: worst change {number(drop.value, SIGNED)}, too few seeds for an interval (n = {drop.n}).{more}"
    measured = f"worst change {with_interval(drop, SIGNED)}, n = {drop.n}"
    if judged.status == TOO_NOISY:
        return f"{loss} is too noisy to judge ({measured}; {settles(judged)}).{more}"
    words = "has a real drop, not surely above the margin" if judged.status == SIZE_OPEN else f"is {judged.status}"
    return f"{loss} {words} ({measured}).{more}"
