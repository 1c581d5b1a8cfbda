"""Which loss is steadiest? The losses in order of what they lose at worst, with what is settled and what they score."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.sections.tuned import Tuned
from evenkeel.reports.sections.verdicts import VerdictCell, Verdicts
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.table.designs import default_score, losses_of
from evenkeel.reports.table.memo import cached_by_metric
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, listed, with_interval
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY

NOTHING = Interval(np.nan, np.nan, np.nan, 0)


class Standing(NamedTuple):
    """One loss: its cells by what is settled, its worst change, its scores. Scores in the unit of the metric."""

    loss: str
    steady: list[VerdictCell]
    unsettled: list[VerdictCell]
    """Judged, and neither steady nor sensitive."""
    sensitive: list[VerdictCell]
    not_judged: list[VerdictCell]
    worst: Interval
    """The largest drop over the hyperparameters that are compared."""
    worst_in: str
    default: Interval
    tuned: Interval

    @property
    def judged(self) -> list[VerdictCell]:
        return [*self.steady, *self.unsettled, *self.sensitive]


class RankingNumbers(NamedTuple):
    title: str
    margin: float
    compared: list[str]
    """The hyperparameters over which the worst changes are compared; empty: each loss over its own."""
    standings: list[Standing]
    """Steadiest first; losses that are not judged last."""


@dataclass(frozen=True)
class Ranking:
    """Losses from the steadiest to the most sensitive."""

    key: str = "ranking"
    title: str = "Ranking"
    question: str = "Which loss is steadiest, and what does it score?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> RankingNumbers:
        return _ranking(table)

    def draw(self, info: RankingNumbers) -> None:
        return None

    def rows(self, info: RankingNumbers) -> pd.DataFrame | None:
        if not info.standings:
            return None
        tuned = {"tuned": [with_interval(s.tuned) for s in info.standings]}
        return pd.DataFrame(
            {
                "loss": [s.loss for s in info.standings],
                "steady / open / sensitive": [_counts(s) for s in info.standings],
                "worst change": [with_interval(s.worst, SIGNED) for s in info.standings],
                "in": [s.worst_in or "–" for s in info.standings],
                f"{info.title} at default": [with_interval(s.default) for s in info.standings],
                **(tuned if any(s.tuned.n for s in info.standings) else {}),
            }
        )

    def answer(self, info: RankingNumbers) -> str:
        if not any(s.judged for s in info.standings):
            return "Nothing is judged, so that the order says nothing."
        basis = f"over {listed(info.compared)}, which all of them share" if info.compared else "each over its own"
        return f"Ordered by the worst change, {basis}; margin {info.margin:g}."


@cached_by_metric
def _ranking(table: pd.DataFrame) -> RankingNumbers:
    """What two sections show; nothing in it is drawn at random."""
    study, cells = facts_of(table), list(Verdicts().compute(table, np.random.default_rng(0)).cells.values())
    compared = shared_hyperparameters(cells)
    tuned = {winner.loss: winner.tuned for winner in reversed(Tuned().compute(table, np.random.default_rng(0)).winners)}
    standings = [
        _standing(
            loss,
            [cell for cell in cells if cell.loss == loss],
            compared,
            default_score(table, loss, study.metric),
            tuned.get(loss, NOTHING),
        )
        for loss in losses_of(table)
    ]
    ranked = sorted(standings, key=lambda standing: -np.nan_to_num(standing.worst.value, nan=-np.inf))
    return RankingNumbers(study.title, study.margin, compared, ranked)


def shared_hyperparameters(cells: Iterable[VerdictCell]) -> list[str]:
    """What every loss that is judged anywhere is judged in: the only fair ground for a comparison."""
    judged = [cell for cell in cells if cell.judged.status != NOT_JUDGED]
    losses = {cell.loss for cell in judged}
    names = dict.fromkeys(cell.name for cell in judged)
    return [name for name in names if {cell.loss for cell in judged if cell.name == name} == losses]


def worst_of(cells: Iterable[VerdictCell]) -> VerdictCell | None:
    """The cell that most surely drops: the lowest high end of the intervals, or the lowest mean without intervals."""
    measured = [cell for cell in cells if np.isfinite(cell.judged.drop.value)]
    return min(measured, key=sure_drop, default=None)


def sure_drop(cell: VerdictCell) -> tuple[float, float]:
    """By what the drop of a cell surely is, then by its mean; in the unit of the metric, the lower the surer."""
    drop = cell.judged.drop
    return (drop.high if np.isfinite(drop.high) else drop.value), drop.value


def _standing(loss: str, cells: list[VerdictCell], compared: list[str], default: Interval, tuned: Interval) -> Standing:
    by_status = {
        status: [cell for cell in cells if cell.judged.status == status] for status in (STEADY, SENSITIVE, NOT_JUDGED)
    }
    unsettled = [cell for cell in cells if cell.judged.status not in by_status]
    judged = [cell for cell in cells if cell.judged.status != NOT_JUDGED]
    worst = worst_of([cell for cell in judged if cell.name in compared or not compared])
    return Standing(
        loss,
        by_status[STEADY],
        unsettled,
        by_status[SENSITIVE],
        by_status[NOT_JUDGED],
        worst.judged.drop if worst else NOTHING,
        worst.name if worst else "",
        default,
        tuned,
    )


def _counts(standing: Standing) -> str:
    if not standing.judged:
        return "not judged" if standing.not_judged else "nothing varies"
    return f"{len(standing.steady)} / {len(standing.unsettled)} / {len(standing.sensitive)}"
