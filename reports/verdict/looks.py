"""Seeds and levels where they decide: which levels are due how many seeds, a function of what is recorded alone.

At each look every verdict of the page is judged by all that is due by then; a level that keeps a verdict open gets the
seeds up to its next look, and the default of its loss as many, so that pairs stay. Where levels go finer, a verdict
whose levels get no more seeds is looked at for gaps: the middle of one between two levels is due the first seeds where
the curve falls or is open (finer_levels.py). A look is decided only when all that is due is recorded, so neither the
number of workers nor the order in which they end can matter: whoever replays the looks from the records gets the same
trials. Verdicts are those of the study's own metric.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.facts import LossFacts, StudyFacts
from evenkeel.reports.table.designs import SWEEP, with_metric
from evenkeel.reports.table.memo import cached_by_trials, with_cache
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.reports.text.wording import counted, listed
from evenkeel.reports.verdict.family import Key, family_of, judgements
from evenkeel.reports.verdict.finer_levels import gaps_to_fill
from evenkeel.reports.verdict.further_seeds import levels_to_go_on
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, STEADY, Judgement


class Place(NamedTuple):
    """One level of a loss's sweep; the default has neither name nor level."""

    loss: str
    name: str | None = None
    level: Any = None


Due = dict[Place, int]
"""How many of the study's seeds each level is to have."""


class LookProgress(NamedTuple):
    """How far a study is: what is due, and what was due at the last look that is complete (nothing before the first).

    `going_on` are the cells, loss and hyperparameter, that the look left open and asked more seeds for; `finer` those
    that get more levels.
    """

    due: Due
    decided: Due
    going_on: tuple[Key, ...] = ()
    finer: tuple[Key, ...] = ()


@cached_by_trials
def follow_looks(table: pd.DataFrame) -> LookProgress:
    """Replay the looks of a study from its trials."""
    study, trials = facts_of(table), set(_sweep_trials(table).values())
    judged = with_metric(table, study.chosen_by or study.metric)
    places = _places(study, {place for place, _ in trials})
    progress = LookProgress({place: study.num_first_seeds for place in places if _is_coarse(place, study)}, Due())
    while progress.due != progress.decided and _planned(progress.due, study) <= trials:
        progress = _decide(upto(judged, progress.due), progress.due, places)
    return progress


def _places(study: StudyFacts, recorded: set[Place]) -> list[Place]:
    """All levels of a study; trials that two entries of it share are recorded under one of them."""
    places, contents = [], set()
    for label, loss in study.losses.items():
        moved = [(name, level) for name, levels in loss.levels.items() for level in levels]
        kept = [(Place(label, *pair), dict([pair])) for pair in moved if pair[1] != loss.defaults[pair[0]]]
        for place, setting in [(Place(label), {}), *kept]:
            content = f"{loss.loss} {sorted((loss.fixed | loss.defaults | setting).items())}"
            if place in recorded or content not in contents:
                places.append(place)
            contents.add(content)
    return places


def _is_coarse(place: Place, study: StudyFacts) -> bool:
    coarse = study.losses[place.loss].coarse
    return place.name not in coarse or place.level in coarse[place.name]


def _decide(table: pd.DataFrame, decided: Due, places: list[Place]) -> LookProgress:
    """What the verdicts on all that was due ask for: seeds, and where none, levels."""
    study, due, going_on, finer = facts_of(table), dict(decided), [], []
    for key, judged in judgements(table).items():
        default = Place(key[0])
        if more := _more_seeds(table, key, judged, decided):
            due |= more | {default: max(*more.values(), due.get(default, 0))}
            going_on.append(key)
        elif new := [place for place in _finer_places(table, key, judged) if place in places]:
            due |= dict.fromkeys(new, study.num_first_seeds)
            finer.append(key)
    return LookProgress(due, decided, tuple(going_on), tuple(finer))


def _more_seeds(table: pd.DataFrame, key: Key, judged: Judgement, decided: Due) -> Due:
    """The levels of a sweep that get the seeds up to their next look."""
    study, family = facts_of(table), family_of(table)
    if not study.looks:
        return {}
    sweep = family.sweeps[key]
    places = [Place(*key, sweep.levels[k]) for k in levels_to_go_on(sweep, judged, study.margin, family.standard)]
    ahead = {place: [look for look in study.looks if look > decided[place]] for place in places if place in decided}
    return {place: looks[0] for place, looks in ahead.items() if looks}


def _finer_places(table: pd.DataFrame, key: Key, judged: Judgement) -> list[Place]:
    """The middle of each gap between levels of a sweep in which the curve falls or is open."""
    (loss, name), study, family = key, facts_of(table), family_of(table)
    if name not in study.losses[loss].coarse:
        return []
    sweep, planned = family.sweeps[key], list(study.losses[loss].levels[name])
    numbers = [planned.index(level) for level in sweep.levels if level in planned]
    gaps = [numbers[k : k + 2] for k in gaps_to_fill(sweep, judged, study.margin, family.standard)]
    return [Place(loss, name, planned[(low + high) // 2]) for low, high in gaps if high - low > 1]


def upto(table: pd.DataFrame, due: Due) -> pd.DataFrame:
    """The trials of a table without those of the sweep that are not due, over the levels that are."""
    kept, planned = np.ones(len(table), dtype=bool), _planned(due, facts_of(table))
    kept[[row for row, trial in _sweep_trials(table).items() if trial not in planned]] = False
    part = table if kept.all() else with_cache(table.loc[kept].reset_index(drop=True), facts_of(table))
    return _over_due_levels(part, due)


def _over_due_levels(table: pd.DataFrame, due: Due) -> pd.DataFrame:
    """The same trials under facts that say which levels are not due; the table itself where none go finer."""
    if not any(loss.coarse for loss in facts_of(table).losses.values()):
        return table
    losses = {
        label: replace(loss, unfilled={name: _unfilled(label, name, loss, due) for name in loss.coarse})
        for label, loss in facts_of(table).losses.items()
    }
    study = replace(facts_of(table), losses=losses)
    return with_cache(with_facts(table, study), study)


def _unfilled(label: str, name: str, loss: LossFacts, due: Due) -> tuple[Any, ...]:
    coarse, levels = loss.coarse[name], loss.levels[name]
    return tuple(level for level in levels if level not in coarse and Place(label, name, level) not in due)


def decided_part(table: pd.DataFrame) -> pd.DataFrame:
    """What a page shows of a study: without trials of a look that is not complete, or that no verdict asks for.

    All trials before the first look is complete; the table itself where what is recorded decides nothing.
    """
    if not facts_of(table).adaptive:
        return table
    progress = follow_looks(table)
    return upto(table, progress.decided) if progress.decided else _over_due_levels(table, progress.due)


def num_planned(table: pd.DataFrame) -> int:
    """How many trials the study is to have, as far as that is known by now."""
    study = facts_of(table)
    decided_later = {SWEEP} if study.adaptive else set()
    fixed = sum(num for counts in study.planned.values() for name, num in counts.items() if name not in decided_later)
    return fixed + (sum(follow_looks(table).due.values()) if decided_later else 0)


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
    """Which verdicts stand, which ended open and why, which go on, which levels ran; nothing where all is planned."""
    study = facts_of(table)
    progress = follow_looks(table) if study.adaptive else LookProgress({}, {})
    if not progress.decided:
        return []
    return [*(_say_seeds(table, progress) if study.looks else []), *_say_levels(study, progress)]


def _say_levels(study: StudyFacts, progress: LookProgress) -> list[str]:
    loss_levels = [
        (loss.levels[name], loss.unfilled.get(name, ())) for loss in study.losses.values() for name in loss.coarse
    ]
    if not loss_levels:
        return []
    num, num_unfilled = (sum(map(len, parts)) for parts in zip(*loss_levels, strict=True))
    lines = [
        f"Levels go finer only where the curve falls or is open: {num - num_unfilled} of {num} ran, and verdicts are "
        "of these."
    ]
    if progress.finer:
        lines.append(f"More levels are due for {listed([' '.join(key) for key in progress.finer])}.")
    return lines


def _say_seeds(table: pd.DataFrame, progress: LookProgress) -> list[str]:
    study = facts_of(table)
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
