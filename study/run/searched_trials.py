"""The searches of a study as a run finds them: what they asked, the curves of what ended, who judges what runs."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from evenkeel.study.file.pruning import epoch_score, epoch_sign, num_epochs
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.records.search_journal import SearchJournal
from evenkeel.study.run.interfaces import Say
from evenkeel.study.run.search_judge import EndedCurve, SearchJudge

if TYPE_CHECKING:  # Optuna is imported only by a study that searches
    from evenkeel.study.plan.study_searches import StudySearches


def make_searches(planner: Planner, ledger: Ledger, entries: Mapping[str, IndexEntry], say: Say) -> "StudySearches":
    """The searches by their journal; recorded trials that it does not know are taken into it."""
    from evenkeel.study.plan.study_searches import StudySearches

    searches = StudySearches(planner, SearchJournal(ledger.folder, say))
    ids = {i for i, entry in entries.items() if entry.design == "search" and i not in searches.trials}
    searches.adopt(record.trial for record in sorted(_read(ledger, ids), key=_in_order))
    return searches


def read_curves(config: StudyConfig, ledger: Ledger, entries: Mapping[str, IndexEntry]) -> list[EndedCurve]:
    """The epochs of searched trials in the order in which these ended: of those that were stopped, and of all that
    ended where others may still be stopped by them."""
    search, score = config.designs.search, epoch_score(config)
    states = ("done", "censored") if search and search.pruner else ("censored",)
    ids = {i for i, e in entries.items() if score and e.design == "search" and e.state in states}
    records = sorted(_read(ledger, ids), key=lambda record: record.ended)
    return [EndedCurve(r.trial, r.curves.get(score or "", []), r.state == "censored") for r in records]


def make_outcomes(entries: Mapping[str, IndexEntry], curves: Iterable[EndedCurve]) -> dict[str, Outcome]:
    """What is recorded, by id; of trials that were stopped also the curve by which they were."""
    stopped = {curve.trial.id: tuple(curve.values) for curve in curves if curve.stopped}
    return {i: Outcome(entry.state, entry.scores, stopped.get(i, ())) for i, entry in entries.items()}


def make_judge(config: StudyConfig, curves: Iterable[EndedCurve]) -> SearchJudge | None:
    """Who judges the epochs of searched trials, by the curves of those that ended; None where none ends early."""
    search, score = config.designs.search, epoch_score(config)
    if search is None or search.pruner is None or score is None:
        return None
    own = [curve for curve in curves if curve.trial.proposal is not None and curve.values]
    return SearchJudge(search.pruner, score, epoch_sign(config, score), num_epochs(config), own)


def _read(ledger: Ledger, trial_ids: Collection[str]) -> list[TrialRecord]:
    return [record for record in ledger.records() if record.id in trial_ids] if trial_ids else []


def _in_order(record: TrialRecord) -> tuple[float, float, str]:
    """As proposed; records of before proposals were numbered, as begun."""
    number = record.trial.proposal
    return (float("inf") if number is None else number), record.started, record.id
