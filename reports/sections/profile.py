"""How good is a setting drawn at random? R8 and R9, from the Sobol points alone."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import figure, looks
from evenkeel.reports.statistics.intervals import Interval, nan_mean, turned
from evenkeel.reports.statistics.random_settings import quantile_interval, tail_interval
from evenkeel.reports.table.designs import has_design, losses_of, sobol_points_of
from evenkeel.reports.table.trial_table import SOBOL, facts_of
from evenkeel.reports.text.wording import few_settings_warning, with_interval

WORST_SHARE = 0.1


class LossProfile(NamedTuple):
    """One loss: the seed means of its settings, sorted, with quantiles."""

    loss: str
    means: np.ndarray
    median: Interval
    low_quantile: Interval
    worst_mean: Interval
    colour: str
    dash: str
    sign: int
    """Means and quantiles are of scores times this, so that higher is better (`StudyFacts.sign`)."""

    def measured(self, interval: Interval) -> str:
        """An interval as it was measured, in words."""
        return with_interval(turned(interval, self.sign))


class ProfileNumbers(NamedTuple):
    title: str
    losses: list[LossProfile]


@dataclass(frozen=True)
class Profile:
    """Performance profiles: the share of settings that reach a score."""

    key: str = "profile"
    title: str = "Performance profile"
    question: str = "What score does a random setting reach, without any reference?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_design(table, SOBOL) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ProfileNumbers:
        look = looks(facts_of(table).losses)
        profiles = []
        for loss in losses_of(table):
            if cloud := sobol_points_of(table, loss):
                profiles.append(_profile(loss, cloud.test_HS, (*look[loss], facts_of(table).sign), rng))
        return ProfileNumbers(facts_of(table).title, profiles)

    def draw(self, info: ProfileNumbers) -> Drawing | None:
        if not info.losses:
            return None
        drawn = figure(x_title=info.title, y_title="share of settings that reach it")
        drawn.update_yaxes(tickformat=".0%", range=[0, 1.02])
        lowest = min(p.means[0] for p in info.losses) - 0.01
        for p in info.losses:
            shares = 1 - np.arange(len(p.means)) / len(p.means)
            reached = p.sign * np.array([lowest, *p.means, p.means[-1]])
            drawn.add_scatter(
                x=reached.round(5).tolist(),
                y=[1.0, *shares.round(5).tolist(), 0.0],
                mode="lines",
                line={"color": p.colour, "width": 2.5, "shape": "vh", "dash": p.dash},
                name=p.loss,
                hovertemplate=f"{p.loss}: %{{y:.0%}} reach %{{x:.3f}}<extra></extra>",
            )
        return drawn

    def rows(self, info: ProfileNumbers) -> pd.DataFrame | None:
        if not info.losses:
            return None
        return pd.DataFrame(
            {
                "loss": [p.loss for p in info.losses],
                "settings": [len(p.means) for p in info.losses],
                "median": [p.measured(p.median) for p in info.losses],
                "10% quantile" if info.losses[0].sign > 0 else "90% quantile": [
                    p.measured(p.low_quantile) for p in info.losses
                ],
                "mean of the worst 10%": [p.measured(p.worst_mean) for p in info.losses],
            }
        )

    def answer(self, info: ProfileNumbers) -> str:
        tuned = [p for p in info.losses if len(p.means) > 1]
        if not tuned:
            return "There are no Sobol points of a loss with hyperparameters."
        order = sorted(tuned, key=lambda p: -p.low_quantile.value)
        parts = [f"{p.sign * p.low_quantile.value:.3f} for {p.loss}" for p in order]
        bound = "least" if info.losses[0].sign > 0 else "most"
        warning = few_settings_warning(len(p.means) for p in tuned)
        return f"Nine of ten random settings reach at {bound} {', '.join(parts)}.{warning}"


def _profile(loss: str, test_HS: np.ndarray, look: tuple[str, str, int], rng: np.random.Generator) -> LossProfile:
    means = np.sort(nan_mean(test_HS))
    return LossProfile(
        loss,
        means[np.isfinite(means)],
        quantile_interval(test_HS, 0.5, rng),
        quantile_interval(test_HS, WORST_SHARE, rng),
        tail_interval(test_HS, WORST_SHARE, rng),
        *look,
    )
