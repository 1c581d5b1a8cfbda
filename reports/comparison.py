"""Several studies in one page: the same losses on several data sets, as in Fig. 4 of the RAL paper."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from reports.designs import swept, with_metric
from reports.drawing import Drawing
from reports.facts import StudyFacts
from reports.judging import NOT_JUDGED
from reports.sections import overview, verdicts
from reports.table import facts_of, with_facts
from reports.words import SIGNED, with_interval

STUDY = "study"
"""The column that tells whose trial it is."""


def together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """All trials in one table under facts that hold for all. Raises ValueError where the studies share no metric."""
    studies = [facts_of(table) for table in tables]
    shared = {n: m for n, m in studies[0].measures.items() if all(n in other.measures for other in studies)}
    metric = next((s.metric for s in studies if s.metric in shared), None)
    if metric is None:
        raise ValueError(f"{', '.join(s.name for s in studies)}: no metric in common")
    names = _names(studies)
    rows = pd.concat([t.assign(**{STUDY: n}) for t, n in zip(tables, names, strict=True)], ignore_index=True)
    facts = replace(
        studies[0],
        name=" · ".join(names),
        description=f"{len(tables)} studies side by side",
        metric=metric,
        measures=shared,
        planned={},
        losses={label: facts for study in reversed(studies) for label, facts in study.losses.items()},
        data=replace(studies[0].data, name=", ".join(dict.fromkeys(study.data.name for study in studies))),
        trainable={n: ", ".join(study.trainable.values()) for n, study in zip(names, studies, strict=True)},
        former_margins=(),
    )
    return with_facts(rows, facts)


def _names(studies: list[StudyFacts]) -> list[str]:
    """The studies' names, with their number where two have the same."""
    times = Counter(study.name for study in studies)
    return [s.name if times[s.name] == 1 else f"{s.name} ({i + 1})" for i, s in enumerate(studies)]


@dataclass(frozen=True)
class SideBySide:
    """The opening grid of each study; the frames of a hyperparameter are neighbours, all on one scale."""

    tables: tuple[pd.DataFrame, ...]
    key: str = "overview"
    title: str = "F1 difference from best, by study"
    question: str = "Does a loss move with its hyperparameters in the same way in every study?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> overview.Info:
        metric, found = facts_of(table).metric, []
        for study, own in zip(_names([facts_of(t) for t in self.tables]), self.tables, strict=True):
            if swept(own):
                found.append((study, overview.Overview().compute(with_metric(own, metric), rng)))
        order = list(dict.fromkeys(name for _, info in found for name in info.frames))
        frames = {f"{study}: {name}": (name, info) for name in order for study, info in found if name in info.frames}
        whole = overview.Overview().compute(with_metric(self.tables[0], metric), rng)
        lines = [
            line._replace(name=key) for key, (name, info) in frames.items() for line in info.lines if line.name == name
        ]
        every = facts_of(table)
        return whole._replace(
            frames=list(frames),
            symbols={key: info.symbols[name] for key, (name, info) in frames.items()},
            log={key: info.log[name] for key, (name, info) in frames.items()},
            lines=lines,
            looks=overview.looks(every.losses),
            leading=list(dict.fromkeys(loss for _, info in found for loss in info.leading)) or list(every.losses),
        )

    def draw(self, info: overview.Info) -> Drawing | None:
        return overview.Overview().draw(info)

    def rows(self, info: overview.Info) -> None:
        return None

    def answer(self, info: overview.Info) -> str:
        return overview.Overview().answer(info)


class Cells(NamedTuple):
    """(loss, hyperparameter) -> verdict by study."""

    studies: list[str]
    cells: dict[tuple[str, str], dict[str, verdicts.Cell]]


@dataclass(frozen=True)
class SameVerdict:
    """The verdicts of all studies in one table."""

    tables: tuple[pd.DataFrame, ...]
    key: str = "verdicts"
    title: str = "Verdicts, by study"
    question: str = "Is a verdict the same in every study?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Cells:
        metric, studies = facts_of(table).metric, _names([facts_of(t) for t in self.tables])
        cells: dict[tuple[str, str], dict[str, verdicts.Cell]] = {}
        for study, own in zip(studies, self.tables, strict=True):
            for key, cell in verdicts.Verdicts().compute(with_metric(own, metric), rng).cells.items():
                cells.setdefault(key, {})[study] = cell
        return Cells(studies, cells)

    def draw(self, info: Cells) -> None:
        return None

    def rows(self, info: Cells) -> pd.DataFrame | None:
        if not info.cells:
            return None
        return pd.DataFrame(
            [
                {"loss": loss, "hyperparameter": name} | {study: _text(own.get(study)) for study in info.studies}
                for (loss, name), own in info.cells.items()
            ]
        )

    def answer(self, info: Cells) -> str:
        shared = {key: own for key, own in info.cells.items() if len(own) == len(info.studies)}
        judged = {k: {c.judged.status for c in own.values()} for k, own in shared.items()}
        judged = {key: statuses for key, statuses in judged.items() if NOT_JUDGED not in statuses}
        if not judged:
            return "No loss and hyperparameter is judged in every study."
        differ = [f"{loss} in {name}" for (loss, name), statuses in judged.items() if len(statuses) > 1]
        more = f" They differ for {', '.join(differ)}." if differ else ""
        return f"{len(judged) - len(differ)} of {len(judged)} verdicts are the same in every study.{more}"


def _text(cell: verdicts.Cell | None) -> str:
    return f"{cell.judged.status}|{with_interval(cell.judged.drop, SIGNED)}" if cell else ""
