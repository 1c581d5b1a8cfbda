"""The trials that are due by what a ledger holds: all that are planned, or those of the looks, where there are any."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plan.adaptive_seeds import AdaptiveSeeds
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.facts import make_study_facts, read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.trainables import Trial

if TYPE_CHECKING:  # a study whose seeds are fixed is planned without pandas
    import pandas as pd


def find_due(planner: Planner, planned: list[Trial], ledger: Ledger, recorded: Collection[str]) -> list[Trial]:
    """Of all that are planned, the trials that are due; `recorded` are the ids of those that the ledger holds.

    It reads the trials themselves only where seeds go where they decide, and the first of them are recorded.
    """
    if not planner.config.is_adaptive:
        return planned
    adaptive = follow_ledger(planner.config, planned, ledger)
    return [*(trial for trial in planned if trial.design != "sweep"), *adaptive.find_due(recorded)]


def follow_ledger(
    config: StudyConfig, planned: list[Trial], ledger: Ledger, on_look: Callable[[list[Trial]], None] = lambda due: None
) -> AdaptiveSeeds:
    """The looks of a study, decided by what its ledger holds at the time; `on_look` hears what is due by each."""
    return AdaptiveSeeds(config, planned, lambda: _read_table(config, ledger), on_look)


def _read_table(config: StudyConfig, ledger: Ledger) -> "pd.DataFrame | None":
    """The trials by the study as its file has it now; None while nothing is stored of its data."""
    from evenkeel.study.records.table import table_from_ledger

    stored = ledger.read_study()
    if stored is None:
        return None
    former = read_facts(stored.summary)
    return table_from_ledger(ledger, make_study_facts(config, former.data, {}, former))
