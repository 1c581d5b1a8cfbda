"""The searches of a study as a run finds them: what they asked, the curves of what ended, who judges what runs."""

from collections.abc import Collection, Mapping
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


def read_outcomes(config: StudyConfig, ledger: Ledger, entries: Mapping[str, IndexEntry]) -> dict[str, Outcome]:
    """What is recorded, by id; of trials that were stopped also the curve by which they were."""
    score = epoch_score(config)
    stopped = {i for i, e in entries.items() if score and e.state == "censored" and e.design == "search"}
    curves = {record.id: tuple(record.curves.get(score or "", ())) for record in _read(ledger, stopped)}
    return {i: Outcome(entry.state, entry.scores, curves.get(i, ())) for i, entry in entries.items()}


def make_judge(config: StudyConfig, ledger: Ledger, entries: Mapping[str, IndexEntry]) -> SearchJudge | None:
    """Who judges the epochs of searched trials, by the curves of those that ended; None where none ends early."""
    search, score = config.designs.search, epoch_score(config)
    if search is None or search.pruner is None or score is None:
        return None
    records = _read(ledger, {i for i, e in entries.items() if e.design == "search" and e.state in ("done", "censored")})
    curves = [
        EndedCurve(record.trial, record.curves[score], record.state == "censored")
        for record in sorted(records, key=lambda record: record.ended)
        if record.trial.proposal is not None and record.curves.get(score)
    ]
    return SearchJudge(search.pruner, score, epoch_sign(config, score), num_epochs(config), curves)


def _read(ledger: Ledger, trial_ids: Collection[str]) -> list[TrialRecord]:
    return [record for record in ledger.records() if record.id in trial_ids] if trial_ids else []


def _in_order(record: TrialRecord) -> tuple[float, float, str]:
    """As proposed; records of before proposals were numbered, as begun."""
    number = record.trial.proposal
    return (float("inf") if number is None else number), record.started, record.id
