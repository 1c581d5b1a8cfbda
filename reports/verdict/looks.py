"""Seeds where they decide: which levels are due how many seeds, a function of what is recorded alone.

At each look every verdict of the page is judged by all that is due by then; a level that keeps a verdict open gets the
seeds up to its next look, and the default of its loss as many, so that pairs stay. A look is decided only when all that
is due is recorded, so neither the number of workers nor the order in which they end can matter: whoever replays the
looks from the records gets the same trials. Verdicts are those of the study's own metric.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.designs import SWEEP, with_metric
from evenkeel.reports.table.memo import cached_by_trials, with_cache
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import counted, listed
from evenkeel.reports.verdict.family import Key, family_of, judgements
from evenkeel.reports.verdict.further_seeds import levels_to_go_on
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY


class Place(NamedTuple):
    """One level of a loss's sweep; the default has neither name nor level."""

    loss: str
    name: str | None = None
    level: Any = None


Due = dict[Place, int]
"""How many of the study's seeds each level is to have."""


class LookProgress(NamedTuple):
    """How far a study is: what is due, and what was due at the last look that is complete (nothing before the first).

    `going_on` are the cells, loss and hyperparameter, that the look left open and asked more seeds for.
    """

    due: Due
    decided: Due
    going_on: tuple[Key, ...] = ()


@cached_by_trials
def follow_looks(table: pd.DataFrame) -> LookProgress:
    """Replay the looks of a study from its trials."""
    study, trials = facts_of(table), set(_sweep_trials(table).values())
    judged = with_metric(table, study.chosen_by or study.metric)
    progress = LookProgress(_first_due(study, {place for place, _ in trials}), Due())
    while progress.due != progress.decided and _planned(progress.due, study) <= trials:
        progress = _decide(upto(judged, progress.due), progress.due)
    return progress


def _first_due(study: StudyFacts, recorded: set[Place]) -> Due:
    """The first seeds of every level; trials that two entries of a study share are recorded under one of them."""
    due, contents = Due(), set()
    for label, loss in study.losses.items():
        moved = [(name, level) for name, levels in loss.levels.items() for level in levels]
        kept = [(Place(label, *pair), dict([pair])) for pair in moved if pair[1] != loss.defaults[pair[0]]]
        for place, setting in [(Place(label), {}), *kept]:
            content = f"{loss.loss} {sorted((loss.fixed | loss.defaults | setting).items())}"
            if place in recorded or content not in contents:
                due[place] = study.looks[0]
            contents.add(content)
    return due


def _decide(table: pd.DataFrame, decided: Due) -> LookProgress:
    """What the verdicts on all that was due ask for."""
    study, family, due, going_on = facts_of(table), family_of(table), dict(decided), []
    for (loss, name), judged in judgements(table).items():
        sweep = family.sweeps[loss, name]
        for k in levels_to_go_on(sweep, judged, study.margin, family.standard):
            place = Place(loss, name, sweep.levels[k])
            due[place] = next((look for look in study.looks if look > decided[place]), decided[place])
            due[Place(loss)] = max(due[place], due.get(Place(loss), 0))
            if due[place] > decided[place]:
                going_on.append((loss, name))
    return LookProgress(due, decided, tuple(dict.fromkeys(going_on)))


def upto(table: pd.DataFrame, due: Due) -> pd.DataFrame:
    """The trials of a table without those of the sweep that are not due."""
    kept, planned = np.ones(len(table), dtype=bool), _planned(due, facts_of(table))
    kept[[row for row, trial in _sweep_trials(table).items() if trial not in planned]] = False
    return table if kept.all() else with_cache(table.loc[kept].reset_index(drop=True), facts_of(table))


def decided_part(table: pd.DataFrame) -> pd.DataFrame:
    """What a page shows of a study: without trials of a look that is not complete, or that no verdict asks for.

    The table itself where seeds are fixed, and before the first look is complete.
    """
    decided = follow_looks(table).decided if facts_of(table).looks else Due()
    return upto(table, decided) if decided else table


def num_planned(table: pd.DataFrame) -> int:
    """How many trials the study is to have, as far as that is known by now."""
    study = facts_of(table)
    looks = {SWEEP} if study.looks else set()
    fixed = sum(num for designs in study.planned.values() for name, num in designs.items() if name not in looks)
    return fixed + (sum(follow_looks(table).due.values()) if looks else 0)


def _planned(due: Due, study: StudyFacts) -> set[tuple[Place, int]]:
    return {(place, seed) for place, num in due.items() for seed in study.seeds[:num]}


def _sweep_trials(table: pd.DataFrame) -> dict[int, tuple[Place, int]]:
    """By number of the row, level and seed of each trial of the sweep."""
    rows = np.flatnonzero(table.design == SWEEP).tolist()
    columns = [table[name].to_numpy()[rows].tolist() for name in ("loss", "moved", "seed")]
    values = {name: table[f"hp.{name}"].to_numpy() for name in set(columns[1]) if isinstance(name, str)}
    return {
        row: (Place(loss, moved, values[moved][row]) if isinstance(moved, str) else Place(loss), seed)
        for row, loss, moved, seed in zip(rows, *columns, strict=True)
    }


def say_looks(table: pd.DataFrame) -> list[str]:
    """Which verdicts stand, which ended open and why, which go on; nothing where seeds are fixed."""
    study = facts_of(table)
    progress = follow_looks(table) if study.looks else LookProgress({}, {})
    if not progress.decided:
        return []
    judged = judgements(with_metric(table, study.chosen_by or study.metric))
    still_open = [key for key, cell in judged.items() if cell.status not in (STEADY, SENSITIVE, NOT_JUDGED)]
    ended = [key for key in still_open if key not in progress.going_on]
    seeds = {key: max(n for place, n in progress.decided.items() if place[:2] == key) for key in still_open}
    looks, most = listed([str(look) for look in study.looks]), study.looks[-1]
    settled = sum(cell.status in (STEADY, SENSITIVE) for cell in judged.values())
    lines = [f"Seeds go where they decide, in looks at {looks}: {settled} of {len(judged)} verdicts stand."]
    if given_up := [key for key in ended if seeds[key] < most]:
        lines.append(f"Given up, since up to {most} seeds are not likely to settle it: {_after(given_up, seeds)}.")
    if at_the_end := [key for key in ended if seeds[key] == most]:
        lines.append(f"Still open with the most seeds, {most}: {listed([' '.join(key) for key in at_the_end])}.")
    if progress.going_on:
        lines.append(f"More seeds are due for {_after(list(progress.going_on), seeds)}.")
    return lines


def _after(keys: list[Key], seeds: dict[Key, int]) -> str:
    """`asl clip and ral alpha after 6 seeds, bal clip after 9 seeds`."""
    groups = {num: [" ".join(key) for key in keys if seeds[key] == num] for num in sorted({seeds[key] for key in keys})}
    return ", ".join(f"{listed(names)} after {counted(num, 'seed')}" for num, names in groups.items())
