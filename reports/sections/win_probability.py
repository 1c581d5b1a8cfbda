"""How often does a random setting of one loss beat a random setting of another? R19, from the Sobol points alone."""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.sections.profile import WORST_SHARE
from evenkeel.reports.sections.tolerance import Pool, share_above
from evenkeel.reports.statistics.error_model import error_of_look
from evenkeel.reports.statistics.intervals import Interval, complement, jackknife_error
from evenkeel.reports.statistics.random_settings import (
    RESAMPLES_AT_ONCE,
    ResampledValue,
    mean_difference,
    resampled_difference,
    resampled_quantile,
    resamples,
    seeds_with_scores,
    share_over_points,
    win_interval,
)
from evenkeel.reports.table.designs import SobolPoints, has_design, losses_of, sobol_images_of, sobol_points_of
from evenkeel.reports.table.trial_table import SOBOL, facts_of
from evenkeel.reports.text.wording import PERCENT, SIGNED, SIGNED_PERCENT, few_settings_warning, listed, with_interval


class Win(NamedTuple):
    """How often `first` beats `second`, ties half."""

    first: str
    second: str
    share: Interval
    within: Interval
    """Share of settings within the margin of the best of all losses: first minus second."""
    low_quantile: Interval
    """What nine of ten settings reach: first minus second."""
    mean: Interval
    """Mean score over all settings: first minus second; as `share`, it holds for all pairs together."""

    @property
    def sure(self) -> bool:
        """Whether one wins more often, and scores higher on average: both intervals leave their middle out."""
        first = self.share.low > 0.5 and self.mean.low > 0
        return first or (self.share.high < 0.5 and self.mean.high < 0)


class WinProbabilityNumbers(NamedTuple):
    title: str
    margin: float
    num_settings: dict[str, int]
    wins: list[Win]
    rests_on: str
    """What the intervals do not hold, and the sentences are only about."""


@dataclass(frozen=True)
class WinProbability:
    """Probabilities to win, under the same seed; a claim only where the share and the mean surely point one way."""

    key: str = "win-probability"
    title: str = "Win probability without tuning"
    question: str = "If two losses are set blindly, how often does the one beat the other?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_design(table, SOBOL) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> WinProbabilityNumbers:
        points_by_loss = [cloud for loss in losses_of(table) if (cloud := sobol_points_of(table, loss))]
        study = facts_of(table)
        spreads = _Spreads(table, points_by_loss, rng) if points_by_loss else None
        wins = [spreads.win(a, b) for a, b in combinations(points_by_loss, 2)] if spreads else []
        num_settings = {cloud.loss: len(cloud.test_HS) for cloud in points_by_loss}
        lacking = [] if study.resampled else ["train rows"]
        lacking += [] if spreads and all(images is not None for images in spreads.images.values()) else ["test images"]
        wins = [win for win in wins if win.share.n]
        rests_on = f", on these {listed(lacking)}" if lacking else ""
        return WinProbabilityNumbers(study.title, study.margin, num_settings, wins, rests_on)

    def draw(self, info: WinProbabilityNumbers) -> None:
        return None

    def rows(self, info: WinProbabilityNumbers) -> pd.DataFrame | None:
        if not info.wins:
            return None
        return pd.DataFrame(
            [
                {
                    "first": w.first,
                    "second": w.second,
                    "first wins": with_interval(w.share, PERCENT),
                    f"within {info.margin:g} of the best, first minus second": with_interval(w.within, SIGNED_PERCENT),
                    "10% quantile, first minus second": with_interval(w.low_quantile, SIGNED),
                    "seeds": w.share.n,
                }
                for w in info.wins
            ]
        )

    def answer(self, info: WinProbabilityNumbers) -> str:
        if not info.wins:
            return "There are no Sobol points of two losses under the same seeds."
        sure = [w if w.share.low > 0.5 else _turned(w) for w in info.wins if w.sure]
        sentences = "; ".join(
            f"a random setting of {w.first} beats one of {w.second} in {with_interval(w.share, PERCENT)} of cases"
            for w in sure
        )
        open_pairs = len(info.wins) - len(sure)
        parts = [f"By {info.title}{info.rests_on}, {sentences}."] if sure else []
        parts += [f"{open_pairs} of {len(info.wins)} pairs have no sure winner."] if open_pairs else []
        return " ".join(parts) + few_settings_warning(n for n in info.num_settings.values() if n > 1)


class _Spreads:
    """What is contrasted, of each loss, under the same resamples of the seeds."""

    def __init__(self, table: pd.DataFrame, points_by_loss: list[SobolPoints], rng: np.random.Generator) -> None:
        study, pool = facts_of(table), Pool(points_by_loss)
        self.shared, margin = study.shared, study.margin
        self.images = {cloud.loss: sobol_images_of(table, cloud.loss) for cloud in points_by_loss}
        self.confidence = 1 - error_of_look(study.look) / max(1, comb(len(points_by_loss), 2))
        seeds = np.flatnonzero(np.isfinite(pool.test).any(0))[None]
        rows = seeds[0][resamples(seeds.size, rng)]
        least = pool.best(seeds) - margin
        drawn = [(part, pool.best(part) - margin) for part in np.array_split(rows, len(rows) // RESAMPLES_AT_ONCE)]
        self.within: dict[str, ResampledValue] = {}
        self.low_quantile: dict[str, ResampledValue] = {}
        for cloud in points_by_loss:
            share, num = float(share_above(cloud, seeds, least)[0]), len(cloud.test_HS)
            shares = np.concatenate([share_above(cloud, *part) for part in drawn])
            self.within[cloud.loss] = ResampledValue(share_over_points(share, num), shares)
            self.low_quantile[cloud.loss] = resampled_quantile(cloud.test_HS, WORST_SHARE, rows)

    def win(self, first: SobolPoints, second: SobolPoints) -> Win:
        num_seeds = len(seeds_with_scores(first.test_HS, second.test_HS))
        return Win(
            first.loss,
            second.loss,
            win_interval(first.test_HS, second.test_HS, self.confidence, shared=self.shared),
            resampled_difference(self.within[first.loss], self.within[second.loss], num_seeds),
            resampled_difference(self.low_quantile[first.loss], self.low_quantile[second.loss], num_seeds),
            mean_difference(
                first.test_HS,
                second.test_HS,
                self.confidence,
                image_error=self._image_error(first, second),
                shared=self.shared,
            ),
        )

    def _image_error(self, first: SobolPoints, second: SobolPoints) -> float:
        """Standard error that the choice of test images adds to the difference of means; 0 where not recorded."""
        first_G, second_G = self.images[first.loss], self.images[second.loss]
        return 0.0 if first_G is None or second_G is None else float(jackknife_error(first_G - second_G))


def _turned(win: Win) -> Win:
    """The same pair, the second named first."""
    return win._replace(first=win.second, second=win.first, share=complement(win.share))
