"""Which hyperparameters explain the spread of a loss over its box? R14, from the Sobol points alone."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.statistics.importance import LEAST_Q2, VarianceShares, orthonormal_functions, variance_shares
from evenkeel.reports.statistics.intervals import nan_mean
from evenkeel.reports.table.designs import has_design, losses_of, sobol_points_of
from evenkeel.reports.table.trial_table import SOBOL, facts_of
from evenkeel.reports.text.wording import PERCENT, listed, number

NUM_SHARES_SHOWN = 6


class Explained(NamedTuple):
    """One loss: shares by hyperparameter or pair, and how many settings they rest on."""

    loss: str
    names: list[str]
    num_settings: int
    shares: VarianceShares

    @property
    def trusted(self) -> bool:
        return self.shares.q2 >= LEAST_Q2

    @property
    def largest(self) -> list[tuple[str, float]]:
        """Terms by their share, pairs as `a × b`."""
        named = {" × ".join(self.names[d] for d in term): share for term, share in self.shares.by_term.items()}
        return sorted(named.items(), key=lambda pair: -pair[1])


class ImportanceNumbers(NamedTuple):
    title: str
    losses: list[Explained]


@dataclass(frozen=True)
class Importance:
    """VarianceShares of variance by an orthogonal polynomial fit; refused where it does not predict unseen settings."""

    key: str = "importance"
    title: str = "What explains the spread"
    question: str = "Over the whole box, which hyperparameters and which pairs move the score?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_design(table, SOBOL) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> ImportanceNumbers:
        study, explained = facts_of(table), []
        for loss in losses_of(table):
            cloud, space = sobol_points_of(table, loss), study.losses[loss].space
            if cloud is None or not space:
                continue
            means = nan_mean(cloud.test_HS)
            scored = np.isfinite(means)
            columns = [
                orthonormal_functions(cloud.settings[name][scored], parameter) for name, parameter in space.items()
            ]
            shares = variance_shares(columns, means[scored]) if scored.any() else VarianceShares(np.nan, {})
            explained.append(Explained(loss, list(space), int(scored.sum()), shares))
        return ImportanceNumbers(study.title, explained)

    def draw(self, info: ImportanceNumbers) -> None:
        return None

    def rows(self, info: ImportanceNumbers) -> pd.DataFrame | None:
        if not info.losses:
            return None
        return pd.DataFrame(
            [
                {
                    "loss": e.loss,
                    "settings": e.num_settings,
                    "predicted of unseen settings (Q²)": number(e.shares.q2, "{:.2f}"),
                    "shares of variance": ", ".join(
                        f"{name} {share:.0%}" for name, share in e.largest[:NUM_SHARES_SHOWN] if share >= 0.01
                    )
                    if e.trusted
                    else "refused",
                }
                for e in info.losses
            ]
        )

    def answer(self, info: ImportanceNumbers) -> str:
        if not info.losses:
            return "There are no Sobol points of a loss with hyperparameters."
        parts = [
            f"The largest share of what a fit explains of the spread of {e.loss} (Q² {e.shares.q2:.2f}) is that of "
            f"{e.largest[0][0]} ({PERCENT.format(e.largest[0][1])})."
            for e in info.losses
            if e.trusted and e.largest
        ]
        refused = [e.loss for e in info.losses if not e.trusted]
        if refused:
            parts.append(
                f"For {listed(refused)} no shares are given: a fit to these settings explains less than "
                f"{LEAST_Q2:.0%} of settings it has not seen. More points (sobol.m) help where they are few for the "
                "fit, not where the score bends in a way that the fit does not have."
            )
        return " ".join(parts)
