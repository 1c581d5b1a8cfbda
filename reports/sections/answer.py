"""The answer first: which loss is steadiest, what each is sensitive to, how sure that is, whether models work at all.

Plain sentences, each computed from the verdicts that the grid below them shows; tests hold them against it.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.sections.ranking import Ranking, RankingNumbers, Standing, sure_drop
from evenkeel.reports.sections.verdicts import VerdictCell, Verdicts, VerdictsNumbers
from evenkeel.reports.statistics.intervals import MIN_SEEDS
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, counted, listed, loses, number, with_interval, with_symbol
from evenkeel.reports.verdict.looks import num_planned
from evenkeel.reports.verdict.verdict import SIZE_OPEN

VERDICT_SIGNS = {
    "steady": "✓",
    "sensitive": "✗",
    "real drop, size open": "▼",
    "too noisy": "?",
    "too few seeds": "?",
    "not judged": "–",
}
"""Verdict -> its sign, so that nothing hangs on colour alone."""


class AnswerNumbers(NamedTuple):
    title: str
    floor: float
    num_seeds: int
    num_missing: int
    """Planned trials without a record."""
    num_planned: int
    verdicts: VerdictsNumbers
    ranking: RankingNumbers


@dataclass(frozen=True)
class Answer:
    """Sentences and the verdict grid: hyperparameters by losses, colour and sign, worst change with its interval."""

    key: str = "answer"
    title: str = "The answer"
    question: str = "Which loss is steadiest, what is each sensitive to, and how sure is that?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> AnswerNumbers:
        study, planned = facts_of(table), num_planned(table)
        return AnswerNumbers(
            study.title,
            study.floor,
            len(study.seeds),
            max(0, planned - len(table)),
            planned,
            Verdicts().compute(table, rng),
            Ranking().compute(table, rng),
        )

    def draw(self, info: AnswerNumbers) -> None:
        return None

    def rows(self, info: AnswerNumbers) -> pd.DataFrame | None:
        verdicts = info.verdicts
        if not verdicts.cells:
            return None
        losses = [s.loss for s in info.ranking.standings if s.loss in verdicts.losses]
        return pd.DataFrame(
            [
                {"hyperparameter": with_symbol(name, verdicts.symbols[name])}
                | {loss: _grid_cell(verdicts.cells.get((loss, name))) for loss in losses}
                for name in verdicts.names
            ]
        )

    def answer(self, info: AnswerNumbers) -> str:
        lines = [_steadiest(info), *_sensitive(info), *_open(info), *_chance(info), *_blocked(info), *_missing(info)]
        return "\n".join(line for line in lines if line)


def _grid_cell(cell: VerdictCell | None) -> str:
    if cell is None:
        return ""
    value, bracket, interval = with_interval(cell.judged.drop, SIGNED).partition(" [")
    second_line = f"|{bracket.strip()}{interval}" if interval else ""
    return f"{cell.judged.status}|{VERDICT_SIGNS[cell.judged.status]} {value}{second_line}"


def _steadiest(info: AnswerNumbers) -> str:
    """The first sentence: the steadiest loss, or why there is none."""
    ranked = [s for s in info.ranking.standings if s.judged]
    if not info.verdicts.cells:
        return "There is no sweep with finished trials, so that no loss can be judged."
    if info.num_seeds < MIN_SEEDS:
        return (
            f"With {counted(info.num_seeds, 'seed')} no interval can be trusted, so nothing is called steady or "
            f"sensitive; run at least {MIN_SEEDS}."
        )
    if not ranked:
        return "No loss is judged in any hyperparameter."
    if all(len(s.steady) == len(s.judged) for s in ranked):
        names = ranked[0].loss if len(ranked) == 1 else f"All losses ({listed([s.loss for s in ranked])})"
        verb, judged = (
            ("is" if len(ranked) == 1 else "are"),
            (" that is judged" if any(s.not_judged for s in ranked) else ""),
        )
        return (
            f"{names} {verb} steady in every hyperparameter{judged}: no level costs as much as the margin of "
            f"{info.ranking.margin:g} (false on at most 5% of pages)."
        )
    if len(ranked) == 1:
        return f"{_tally(ranked[0])}; it {_loses(ranked[0])}."
    return _compared(info, ranked)


def _compared(info: AnswerNumbers, ranked: list[Standing]) -> str:
    """The first of several losses, and which of the others it cannot be told from."""
    best, rivals = ranked[0], ranked[1:]
    surely = [s.loss for s in rivals if s.worst.high < best.worst.low]
    unsure = [s.loss for s in rivals if s.loss not in surely]
    over = f"over {listed(info.ranking.compared)}" if info.ranking.compared else "each over its own hyperparameters"
    more = f"{listed(surely)} surely {'loses' if len(surely) == 1 else 'lose'} more"
    if not unsure:
        return f"{best.loss} is the steadiest loss {over}: it {_loses(best)}; {more}."
    certain = f"; {more}" if surely else ""
    return f"{best.loss} loses least {over}: it {_loses(best)}, but cannot be told from {listed(unsure)}{certain}."


def _tally(standing: Standing) -> str:
    """`ral is steady in 2 of 3 hyperparameters`."""
    num = len(standing.judged)
    return f"{standing.loss} is steady in {len(standing.steady)} of {counted(num, 'hyperparameter')}"


def _loses(standing: Standing) -> str:
    return f"{loses(standing.worst)} (in {standing.worst_in})"


def _sensitive(info: AnswerNumbers) -> list[str]:
    """What each loss is sensitive to, the surest first; numbers stand in the grid."""
    if info.num_seeds < MIN_SEEDS:
        return []
    names = {s.loss: [cell.name for cell in sorted(s.sensitive, key=sure_drop)] for s in info.ranking.standings}
    parts = [f"{loss} to {listed(sensitive)}" for loss, sensitive in names.items() if sensitive]
    return [f"Sensitive: {'; '.join(parts)}."] if parts else []


def _open(info: AnswerNumbers) -> list[str]:
    """How many verdicts are open, and how many are drops of open size."""
    unsettled = [cell for standing in info.ranking.standings for cell in standing.unsettled]
    if not unsettled or info.num_seeds < MIN_SEEDS:
        return []
    num, drops = (
        sum(len(s.judged) for s in info.ranking.standings),
        [c.judged.status for c in unsettled].count(SIZE_OPEN),
    )
    parts = [
        f"{counted(drops, 'real drop')}, not surely above the margin of {info.ranking.margin:g}" if drops else "",
        f"{len(unsettled) - drops} open, too noisy or incomplete" if len(unsettled) > drops else "",
    ]
    return [f"Of {counted(num, 'verdict')}: {'; '.join(part for part in parts if part)}."]


def _weak(info: AnswerNumbers) -> list[str]:
    """The losses whose default is not surely better than a constant predictor."""
    limit = info.floor + info.ranking.margin
    return [
        s.loss
        for s in info.ranking.standings
        if s.default.n and (s.default.low if s.default.n >= MIN_SEEDS else s.default.value) <= limit
    ]


def _chance(info: AnswerNumbers) -> list[str]:
    """Whether the models are better than a predictor that ignores the image."""
    if not np.isfinite(info.floor):
        return []
    weak, scored = _weak(info), any(s.default.n for s in info.ranking.standings)
    predictor = f"a constant predictor, which scores {number(info.floor)}"
    if weak:
        verb = "is" if len(weak) == 1 else "are"
        return [f"{listed(weak)} {verb} not surely better than {predictor}, and so not judged."]
    return [f"Every loss is surely better than {predictor}."] if scored and info.num_seeds >= MIN_SEEDS else []


def _blocked(info: AnswerNumbers) -> list[str]:
    """Losses that are nowhere judged although they are better than a constant predictor, with the reason."""
    weak = _weak(info)
    blocked = [s for s in info.ranking.standings if s.not_judged and not s.judged and s.loss not in weak]
    return (
        [f"Not judged: {'; '.join(f'{s.loss}, {s.not_judged[0].judged.reasons[0]}' for s in blocked)}."]
        if blocked
        else []
    )


def _missing(info: AnswerNumbers) -> list[str]:
    if not info.num_missing:
        return []
    return [f"{info.num_missing:,} of {counted(info.num_planned, 'planned trial')} are missing."]
