"""What share of all settings is good enough? R7, from the Sobol points alone."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, figure, looks, plain
from evenkeel.reports.statistics.intervals import Interval, nan_mean
from evenkeel.reports.statistics.random_settings import (
    best_of_resamples,
    means_of_resamples,
    seeds_with_scores,
    share_interval,
)
from evenkeel.reports.table.designs import SobolPoints, has_design, is_validated, losses_of, sobol_points_of
from evenkeel.reports.table.trial_table import SOBOL, facts_of
from evenkeel.reports.text.wording import PERCENT, few_settings_warning, number, with_interval

NUM_DELTAS = 61
MARGINS_SHOWN = 3
"""The axis holds so many margins at least, whatever the scale of the metric."""
LARGEST_DELTA = 0.15


class LossTolerance(NamedTuple):
    """One loss: shares [delta] of settings within delta of its own best and of the best of all losses."""

    loss: str
    own_best: float
    share_of_own: np.ndarray
    share_of_overall: np.ndarray
    at_margin_own: Interval
    at_margin_overall: Interval
    num_settings: int
    colour: str
    dash: str


class ToleranceNumbers(NamedTuple):
    title: str
    margin: float
    deltas: np.ndarray
    overall_best: float
    losses: list[LossTolerance]


@dataclass(frozen=True)
class Tolerance:
    """LossTolerance curves against two references: each loss's own best, and the best over all losses."""

    key: str = "tolerance"
    title: str = "Tolerance"
    question: str = "If hyperparameters are set blindly within their ranges, how often is the result good enough?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_design(table, SOBOL) and is_validated(table) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ToleranceNumbers:
        study = facts_of(table)
        points_by_loss = [cloud for loss in losses_of(table) if (cloud := sobol_points_of(table, loss))]
        deltas = np.linspace(0, max(LARGEST_DELTA, MARGINS_SHOWN * study.margin), NUM_DELTAS)
        if not points_by_loss:
            return ToleranceNumbers(facts_of(table).title, study.margin, deltas, np.nan, [])
        overall = Pool(points_by_loss)
        look = looks(study.losses)
        return ToleranceNumbers(
            facts_of(table).title,
            study.margin,
            deltas,
            study.sign * float(overall.best(np.arange(overall.num_seeds)[None])[0]),
            [
                tolerance._replace(own_best=study.sign * tolerance.own_best)
                for cloud in points_by_loss
                for tolerance in [_tolerance(cloud, overall, deltas, study.margin, look[cloud.loss], rng)]
            ],
        )

    def draw(self, info: ToleranceNumbers) -> Drawing | None:
        if not info.losses:
            return None
        drawn = figure(x_title=f"tolerated difference in {info.title}", y_title="share of settings")
        drawn.update_yaxes(tickformat=".0%", range=[0, 1.02])
        drawn.add_vline(x=info.margin, line={"color": FAINT, "width": 1, "dash": "dot"}, annotation_text="margin")
        for t in info.losses:
            common = {"x": info.deltas.round(5).tolist(), "mode": "lines", "legendgroup": t.loss}
            drawn.add_scatter(
                **common,
                y=plain(t.share_of_overall),
                line={"color": t.colour, "width": 2.5, "shape": "hv", "dash": t.dash},
                name=t.loss,
                hovertemplate=f"{t.loss}: %{{y:.0%}} within %{{x:.3f}} of the best of all<extra></extra>",
            )
            drawn.add_scatter(
                **common,
                y=plain(t.share_of_own),
                line={"color": t.colour, "width": 1, "shape": "hv", "dash": "dash"},
                showlegend=False,
                hovertemplate=f"{t.loss}: %{{y:.0%}} within %{{x:.3f}} of its own best<extra></extra>",
            )
        return drawn

    def rows(self, info: ToleranceNumbers) -> pd.DataFrame | None:
        if not info.losses:
            return None
        return pd.DataFrame(
            {
                "loss": [t.loss for t in info.losses],
                "settings": [t.num_settings for t in info.losses],
                "own best (cross-fitted)": [number(t.own_best) for t in info.losses],
                f"within {info.margin:g} of own best": [with_interval(t.at_margin_own, PERCENT) for t in info.losses],
                f"within {info.margin:g} of the best of all": [
                    with_interval(t.at_margin_overall, PERCENT) for t in info.losses
                ],
            }
        )

    def answer(self, info: ToleranceNumbers) -> str:
        tuned = [t for t in info.losses if t.num_settings > 1]
        if not tuned:
            return "There are no Sobol points of a loss with hyperparameters."
        order = sorted(tuned, key=lambda t: -t.at_margin_overall.value)
        parts = [f"{with_interval(t.at_margin_overall, PERCENT)} for {t.loss}" for t in order]
        return (
            f"Share of settings within {info.margin:g} of the best of all losses ({info.overall_best:.3f}, "
            f"cross-fitted): {', '.join(parts)}. Thick lines: against the best of all; thin dashed lines: against each "
            f"loss's own best.{few_settings_warning(t.num_settings for t in tuned)}"
        )


class Pool:
    """All settings of all losses in one array: the reference is chosen among them on validation, on other seeds."""

    def __init__(self, points_by_loss: list[SobolPoints]) -> None:
        self.test = np.concatenate([cloud.test_HS for cloud in points_by_loss])
        self.val = np.concatenate([cloud.val_HS for cloud in points_by_loss])
        self.num_seeds = self.test.shape[1]

    def best(self, rows: np.ndarray) -> np.ndarray:
        """The reference for each row of seed numbers [R, S]: [R]."""
        return best_of_resamples(self.test, self.val, rows)


def share_above(cloud: SobolPoints, rows: np.ndarray, least_R: np.ndarray) -> np.ndarray:
    """The share of settings that reach a score, for each row of seed numbers [R, S]: [R]."""
    return _share(means_of_resamples(cloud.test_HS, rows), least_R)


def _tolerance(
    cloud: SobolPoints,
    overall: Pool,
    deltas: np.ndarray,
    margin: float,
    look: tuple[str, str],
    rng: np.random.Generator,
) -> LossTolerance:
    own, seeds_S = Pool([cloud]), seeds_with_scores(cloud.test_HS)
    means_1H = means_of_resamples(cloud.test_HS, seeds_S[None])
    own_best, overall_best = own.best(seeds_S[None]), overall.best(seeds_S[None])

    def at_margin(pool: Pool) -> Interval:
        def share_within(rows_RS: np.ndarray) -> np.ndarray:
            return share_above(cloud, rows_RS, pool.best(rows_RS) - margin)

        return share_interval(share_within, len(cloud.test_HS), seeds_S, rng)

    return LossTolerance(
        cloud.loss,
        float(own_best[0]),
        np.array([_share(means_1H, own_best - delta)[0] for delta in deltas]),
        np.array([_share(means_1H, overall_best - delta)[0] for delta in deltas]),
        at_margin(own),
        at_margin(overall),
        len(cloud.test_HS),
        *look,
    )


def _share(means_RH: np.ndarray, least_R: np.ndarray) -> np.ndarray:
    """The share of settings whose mean reaches a score, [R]; NaN means do not count, a NaN score gives NaN."""
    return nan_mean(np.where(np.isfinite(means_RH - least_R[:, None]), means_RH >= least_R[:, None], np.nan))
