"""Seeds and levels where they decide: the trials of a sweep that are due by what is recorded.

Which levels are due, and how many seeds of them, is said by reports/verdict/looks.py, a function of the records alone.
So nothing of it is stored: a run that was killed replays the looks and goes on where it stopped.
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from evenkeel.study.file.seeds import first_seeds
from evenkeel.study.file.study import StudyConfig
from evenkeel.trainables import Trial

if TYPE_CHECKING:  # a study whose seeds are fixed is planned without pandas
    import pandas as pd

    from evenkeel.reports.verdict.looks import Place

    ReadTable = Callable[[], pd.DataFrame | None]


class AdaptiveSeeds:
    """The trials of a sweep that are due; hears of each that is recorded, and knows by it when a look is complete.

    `planned` are all that a study may come to run. `read_table` reads the trial table of what is recorded, under the
    study's metric; None where too little is stored of the study to judge by. `on_look` hears what is due by a look.
    """

    def __init__(
        self,
        config: StudyConfig,
        planned: list[Trial],
        read_table: "ReadTable",
        on_look: Callable[[list[Trial]], None] = lambda due: None,
    ) -> None:
        self.order = {seed: i for i, seed in enumerate(config.all_seeds)}
        sweep = [trial for trial in planned if trial.design == "sweep"]
        self.possible = sorted(sweep, key=lambda trial: self.order[trial.seed])  # all levels of a seed, then the next
        num_first, coarse = len(first_seeds(config.seeds)), _coarse_places(config)
        early = (trial for trial in self.possible if self.order[trial.seed] < num_first)
        self.first = [trial for trial in early if trial.moved is None or place_of(trial) in coarse]
        self.read_table, self.on_look = read_table, on_look
        self.waiting: set[str] = set()

    def find_due(self, recorded: Collection[str]) -> list[Trial]:
        """All trials that are due, by the ids of those that are recorded."""
        table = self.read_table() if all(trial.id in recorded for trial in self.first) else None
        due = self.first if table is None else self._select(table)
        self.waiting = {trial.id for trial in due if trial.id not in recorded}
        return due

    def take(self, trial_id: str, recorded: Collection[str]) -> list[Trial]:
        """A trial is recorded; returns the trials of the next look when that completes one, none before."""
        if trial_id not in self.waiting:
            return []
        self.waiting.remove(trial_id)
        if self.waiting:
            return []
        due = self.find_due(recorded)
        if self.waiting:
            self.on_look(due)
        return [trial for trial in due if trial.id in self.waiting]

    def _select(self, table: "pd.DataFrame") -> list[Trial]:
        from evenkeel.reports.verdict.looks import follow_looks

        due = follow_looks(table).due
        return [trial for trial in self.possible if self.order[trial.seed] < due.get(place_of(trial), 0)]


def first_due(config: StudyConfig, planned: list[Trial]) -> list[Trial]:
    """Of all that are planned, those that are due before anything is recorded."""
    if not config.is_adaptive:
        return planned
    first = AdaptiveSeeds(config, planned, lambda: None).first
    return [*first, *(trial for trial in planned if trial.design != "sweep")]


def _coarse_places(config: StudyConfig) -> "set[Place]":
    """The levels that run whatever the curve does."""
    from evenkeel.reports.verdict.looks import Place

    return {
        Place(loss.label, name, level)
        for loss in config.entries
        for name, levels in config.coarse_levels(loss).items()
        for level in levels
    }


def place_of(trial: Trial) -> "Place":
    """The level of the sweep that a trial is of."""
    from evenkeel.reports.verdict.looks import Place

    return Place(trial.label, trial.moved, trial.setting[trial.moved]) if trial.moved else Place(trial.label)
