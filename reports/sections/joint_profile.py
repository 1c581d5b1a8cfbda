"""Which share of runs loses at most so much, over data sets? The performance profile of Agarwal et al. 2021."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, faded, figure, looks, plain
from evenkeel.reports.statistics.intervals import Interval, of_share
from evenkeel.reports.statistics.over_sets import MeanOverSets, mean_over_sets, share_within
from evenkeel.reports.table.designs import Sweep, each_with_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import PERCENT, counted, listed, with_interval
from evenkeel.reports.verdict.joint import JudgedSets, judged_sets

LIMITS = np.linspace(0, 5, 51)
"""In margins of each data set."""


class SharesOfLoss(NamedTuple):
    """Of one loss the share of runs that lose at most each of LIMITS, mean over D data sets."""

    loss: str
    num_sets: int
    shares: list[MeanOverSets]
    colour: str

    @property
    def within_margin(self) -> MeanOverSets:
        return self.shares[int(np.argmin(np.abs(LIMITS - 1)))]


class SharesNumbers(NamedTuple):
    num_sets: int
    names: list[str]
    losses: list[SharesOfLoss]


@dataclass(frozen=True)
class JointProfile:
    """Performance profiles over data sets, of what a run loses against the default of the same seed."""

    studies: Mapping[str, pd.DataFrame]
    key: str = "joint-profile"
    title: str = "Runs that lose little, over data sets"
    question: str = "When one hyperparameter is moved, what share of runs loses at most so many margins?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> SharesNumbers:
        study, sets = facts_of(table), judged_sets(each_with_metric(self.studies, facts_of(table).metric))
        names, look = sets.shared_names(sets.losses), looks(study.losses)
        profiles = [_profile(sets, loss, names, look[loss][0], study.shared) for loss in sets.losses] if names else []
        return SharesNumbers(len(self.studies), names, [profile for profile in profiles if profile.num_sets])

    def draw(self, info: SharesNumbers) -> Drawing | None:
        if not info.losses:
            return None
        drawn = figure(x_title="lost against the default, in margins", y_title="share of runs")
        drawn.update_yaxes(tickformat=".0%", range=[0, 1.02])
        drawn.add_vline(x=1, line={"color": FAINT, "width": 1, "dash": "dot"}, annotation_text="margin")
        for p in info.losses:
            _add(drawn, p)
        return drawn

    def rows(self, info: SharesNumbers) -> pd.DataFrame | None:
        if not info.losses:
            return None
        return pd.DataFrame(
            {
                "loss": [p.loss for p in info.losses],
                "sets": [p.num_sets for p in info.losses],
                "lose at most a margin, over sets": [with_interval(p.within_margin.over, PERCENT) for p in info.losses],
                "on these sets alone": [with_interval(p.within_margin.on_these, PERCENT) for p in info.losses],
            }
        )

    def answer(self, info: SharesNumbers) -> str:
        if not info.losses:
            return "No hyperparameter is common to all losses and swept on every data set."
        order = sorted(info.losses, key=lambda p: -p.within_margin.over.value)
        parts = [f"{with_interval(p.within_margin.best_known, PERCENT)} of {p.loss}" for p in order]
        over = np.isfinite(order[0].within_margin.over.low)
        holds = "over data sets" if over else "on these data sets alone"
        return (
            f"With {listed(info.names)} moved, one at a time, the runs that lose at most one margin are: "
            f"{', '.join(parts)}; mean over {counted(info.num_sets, 'set')}, intervals {holds}. A run is one level "
            "under one seed; every data set weighs the same."
        )


def _profile(sets: JudgedSets, loss: str, names: list[str], colour: str, shared: float) -> SharesOfLoss:
    judged = sets.judged_on([loss], names)
    shares_DST = [
        np.mean(
            [share_within(_lost(sets.families[d].sweeps[loss, name], sets.margins[d]), LIMITS) for name in names], 0
        )
        for d in judged
    ]
    means = [mean_over_sets([own[:, t] for own in shares_DST], shared=shared) for t in range(len(LIMITS)) if judged]
    return SharesOfLoss(loss, len(judged), [MeanOverSets(*map(of_share, mean)) for mean in means], colour)


def _lost(sweep: Sweep, margin: float) -> np.ndarray:
    """What each run lost, in margins, [L, S]; infinite where it diverged."""
    lost = np.where(sweep.diverged_LS, np.inf, -sweep.differences_LS / margin)
    return lost[sweep.moved]


def _add(drawn: Drawing, profile: SharesOfLoss) -> None:
    shares: list[Interval] = [share.best_known for share in profile.shares]
    common = {"x": LIMITS.round(3).tolist(), "mode": "lines", "legendgroup": profile.loss}
    if all(np.isfinite(share.low) for share in shares):
        for ends, fill in (([s.high for s in shares], None), ([s.low for s in shares], "tonexty")):
            drawn.add_scatter(
                **common, y=plain(ends), line={"width": 0}, fill=fill, fillcolor=faded(profile.colour, 0.12),
                showlegend=False, hoverinfo="skip",
            )  # fmt: skip
    drawn.add_scatter(
        **common,
        y=plain(share.value for share in shares),
        line={"color": profile.colour, "width": 2.5},
        name=profile.loss,
        hovertemplate=f"{profile.loss}: %{{y:.0%}} lose at most %{{x}} margins<extra></extra>",
    )
