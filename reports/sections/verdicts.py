"""Which loss is steady, in which hyperparameter, by how much, how sure."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from reports.designs import losses_of, sweep_of, swept
from reports.statistics import MIN_SEEDS, SENSITIVE, STEADY, UNCLEAR, Interval, verdict, worst_drop
from reports.table import facts_of
from reports.words import SIGNED, listed, number, with_interval


class Cell(NamedTuple):
    """One loss in one hyperparameter."""

    loss: str
    name: str
    drop: Interval
    verdict: str


class Info(NamedTuple):
    title: str
    margin: float
    losses: list[str]
    names: list[str]
    symbols: dict[str, str]
    cells: dict[tuple[str, str], Cell]
    num_seeds: int


@dataclass(frozen=True)
class Verdicts:
    """The verdict grid: losses by hyperparameters."""

    key: str = "verdicts"
    title: str = "Verdicts"
    question: str = "Which loss is steady, in which hyperparameter, and how sure is that?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()]

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        study = facts_of(table)
        names = swept(table)
        cells = {}
        for loss in losses_of(table):
            for name in names:
                if sweep := sweep_of(table, loss, name):
                    drop = worst_drop(sweep.moved_LS)
                    cells[loss, name] = Cell(loss, name, drop, verdict(drop, study.margin))
        symbols = {n: p.symbol for facts in study.losses.values() for n, p in facts.space.items()}
        losses = [loss for loss in losses_of(table) if any(key[0] == loss for key in cells)]
        return Info(facts_of(table).title, study.margin, losses, names, symbols, cells, len(study.seeds))

    def draw(self, info: Info) -> None:
        return None

    def rows(self, info: Info) -> pd.DataFrame | None:
        """Hyperparameters by losses, the longer list downwards; a cell holds the verdict and the worst drop."""
        if not info.cells:
            return None
        names = [f"{name} ({info.symbols[name]})" for name in info.names]
        grid = pd.DataFrame(
            [[_cell_text(info.cells.get((loss, name))) for loss in info.losses] for name in info.names],
            index=pd.Index(names, name="hyperparameter"),
            columns=pd.Index(info.losses, name="loss"),
        )
        return (grid if len(names) >= len(info.losses) else grid.T).reset_index().rename_axis(columns=None)

    def answer(self, info: Info) -> str:
        if not info.cells:
            return "There is no finished sweep to judge."
        if info.num_seeds < MIN_SEEDS:
            return (
                f"With {info.num_seeds} seed{'s' if info.num_seeds > 1 else ''} no interval can be trusted, so nothing "
                f"is called steady or sensitive; run at least {MIN_SEEDS}."
            )
        cells = {loss: [c for c in info.cells.values() if c.loss == loss] for loss in info.losses}
        return "\n".join([*_shared(info), *(_sentence(loss, cells[loss]) for loss in info.losses)])


def _shared(info: Info) -> list[str]:
    """One sentence on the hyperparameters that all losses have: the only fair ground for a comparison."""
    shared = [name for name in info.names if all((loss, name) in info.cells for loss in info.losses)]
    if len(info.losses) < 2 or not shared:
        return []
    worst = [min((info.cells[loss, name] for name in shared), key=lambda c: c.drop.value) for loss in info.losses]
    parts = [
        f"{c.loss} {with_interval(c.drop, SIGNED)} in {c.name}" for c in sorted(worst, key=lambda c: -c.drop.value)
    ]
    return [
        f"In what all of them share ({listed(shared)}) the worst drops of {info.title}, margin "
        f"{info.margin:g}, are: {'; '.join(parts)}."
    ]


def _sentence(loss: str, cells: list[Cell]) -> str:
    found = {kind: [c for c in cells if c.verdict == kind] for kind in (STEADY, SENSITIVE, UNCLEAR)}
    parts = []
    if found[STEADY]:
        parts.append(f"is steady in {listed([c.name for c in found[STEADY]])}")
    if found[SENSITIVE]:
        worst = min(found[SENSITIVE], key=lambda c: c.drop.value)
        names = listed([c.name for c in found[SENSITIVE]])
        most = f", most in {worst.name}" if len(found[SENSITIVE]) > 1 else ""
        parts.append(f"is sensitive in {names}{most} (worst drop {with_interval(worst.drop, SIGNED)})")
    if found[UNCLEAR]:
        n = min(c.drop.n for c in found[UNCLEAR])
        parts.append(f"gives no evidence either way in {listed([c.name for c in found[UNCLEAR]])} (n = {n})")
    return f"{loss} {listed(parts)}."


def _cell_text(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if not np.isfinite(cell.drop.low):
        return f"{cell.verdict}|{number(cell.drop.value, SIGNED)}"
    ends = f"{number(cell.drop.low, SIGNED)} to {number(cell.drop.high, SIGNED)}"
    return f"{cell.verdict}|{number(cell.drop.value, SIGNED)}|{ends}"
