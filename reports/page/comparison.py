"""Several studies in one page: the same losses on several data sets, as in Fig. 4 of the RAL paper."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.facts import DataFacts, StudyFacts
from evenkeel.reports.figures.small_multiples import MAX_COLUMNS
from evenkeel.reports.figures.style import looks
from evenkeel.reports.sections import overview, verdicts
from evenkeel.reports.table.designs import each_with_metric, swept_hyperparameters
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.reports.text.wording import SIGNED, listed, with_interval
from evenkeel.reports.verdict.several_studies import surely_differ
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY

STUDY = "study"
"""The column that tells whose trial it is."""

Studies = dict[str, pd.DataFrame]
"""Trial tables by name."""


def by_name(tables: Iterable[pd.DataFrame]) -> Studies:
    """The tables by the names of their studies, with a number where two have the same."""
    tables = list(tables)
    names = [facts_of(table).name for table in tables]
    times = Counter(names)
    return {n if times[n] == 1 else f"{n} ({i + 1})": t for i, (n, t) in enumerate(zip(names, tables, strict=True))}


def together(studies: Studies) -> pd.DataFrame:
    """All trials in one table under the facts that hold for all; what differs is said of each study in `trainable`.

    Raises ValueError where the studies share no metric.
    """
    facts = {name: facts_of(table) for name, table in studies.items()}
    first, *rest_of_facts = facts.values()
    shared = {n: m for n, m in first.measures.items() if all(n in other.measures for other in rest_of_facts)}
    metric = next((study.metric for study in facts.values() if study.metric in shared), None)
    if metric is None:
        raise ValueError(f"{', '.join(study.name for study in facts.values())}: no metric in common")
    rows = pd.concat([table.assign(**{STUDY: name}) for name, table in studies.items()], ignore_index=True)
    same_seeds = all((o.seeds, o.fresh_seeds) == (first.seeds, first.fresh_seeds) for o in rest_of_facts)
    whole = replace(
        first,
        name=" · ".join(facts),
        description=f"{len(facts)} studies side by side",
        metric=metric,
        measures=shared,
        margins={n: m for n, m in first.margins.items() if all(other.margins.get(n) == m for other in rest_of_facts)},
        former_margins=tuple(former for study in facts.values() for former in study.former_margins),
        seeds=first.seeds if same_seeds else (),
        fresh_seeds=first.fresh_seeds if same_seeds else (),
        planned={},
        looks=(),
        losses={label: loss for study in facts.values() for label, loss in study.losses.items()} | first.losses,
        data=DataFacts(", ".join(dict.fromkeys(study.data.title for study in facts.values()))),
        trainable={name: _words(study, shared) for name, study in facts.items()},
    )
    return with_facts(rows, whole)


def _words(study: StudyFacts, metrics: Iterable[str]) -> str:
    margins = ", ".join(f"{name} {study.margins[name]:g}" for name in metrics if name in study.headlines)
    trainable = ", ".join(study.trainable.values())
    return f"{study.data.words}; {study.seeds_in_words}; margin {margins}; {trainable}"


@dataclass(frozen=True)
class SideBySide(overview.Overview):
    """The opening grid of each study; the frames of a hyperparameter are neighbours, all on one scale."""

    title: str = "How the score moves, by study"
    question: str = "Does a loss move with its hyperparameters in the same way in every study?"
    studies: Studies = field(default_factory=dict)

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> overview.OverviewNumbers:
        every, numbers = facts_of(table), {}
        for study, own in each_with_metric(self.studies, every.metric).items():
            if swept_hyperparameters(own):
                numbers[study] = super().compute(own, rng)
        order = dict.fromkeys(name for info in numbers.values() for name in info.frames)
        frames = {f"{s}: {name}": (name, i) for name in order for s, i in numbers.items() if name in i.frames}
        return overview.OverviewNumbers(
            title=every.turned_title,
            margins=[info.margins[0] for _, info in frames.values()],
            frames=list(frames),
            symbols={key: info.symbols[name] for key, (name, info) in frames.items()},
            log={key: info.log[name] for key, (name, info) in frames.items()},
            lines=[
                line._replace(name=key)
                for key, (name, info) in frames.items()
                for line in info.lines
                if line.name == name
            ],
            looks=looks(every.losses),
            leading=list(dict.fromkeys(loss for info in numbers.values() for loss in info.leading))
            or list(every.losses),
            columns=MAX_COLUMNS // len(self.studies) * len(self.studies) or MAX_COLUMNS,
            note=_unlike(self.studies),
        )


def _unlike(studies: Studies) -> str:
    """A sentence on labels whose loss, default or fixed value is another one in some study."""
    of_label: dict[str, set[str]] = {}
    for table in studies.values():
        for label, loss in facts_of(table).losses.items():
            of_label.setdefault(label, set()).add(repr((loss.loss, loss.fixed, loss.defaults)))
    unlike = [label for label, settings in of_label.items() if len(settings) > 1]
    return f" Not the same in all studies (another loss, default or fixed value): {listed(unlike)}." if unlike else ""


class Cells(NamedTuple):
    """(loss, hyperparameter) -> verdict by study."""

    studies: list[str]
    cells: dict[tuple[str, str], dict[str, verdicts.VerdictCell]]
    unequal: list[tuple[str, str]]
    """Where the curves of two studies surely differ."""


@dataclass(frozen=True)
class SameVerdict:
    """The verdicts of all studies in one table."""

    studies: Studies
    key: str = "verdicts"
    title: str = "Verdicts, by study"
    question: str = "Is a verdict the same in every study?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Cells:
        cells: dict[tuple[str, str], dict[str, verdicts.VerdictCell]] = {}
        tables = each_with_metric(self.studies, facts_of(table).metric)
        for study, own in tables.items():
            for key, cell in verdicts.Verdicts().compute(own, rng).cells.items():
                cells.setdefault(key, {})[study] = cell
        return Cells(list(self.studies), cells, surely_differ(tables))

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
        judged = [{cell.judged.status for cell in own.values()} for own in shared.values()]
        judged = [statuses for statuses in judged if NOT_JUDGED not in statuses]
        if not judged:
            return "No loss and hyperparameter is judged in every study."
        counts = [f"{judged.count({status})} {status} in every study" for status in (STEADY, SENSITIVE)]
        unequal = [f"{loss} in {name}" for loss, name in info.unequal]
        tested = (
            f"They surely differ for {listed(unequal)}" if unequal else "No two studies surely differ in any of them"
        )
        return (
            f"Of {len(judged)} that are judged in every study, {listed(counts)}; the others are open in some, or not "
            f"the same. {tested} (level by level, with the errors of both, corrected for the number of comparisons)."
        )


def _text(cell: verdicts.VerdictCell | None) -> str:
    return f"{cell.judged.status}|{with_interval(cell.judged.drop, SIGNED)}" if cell else ""
