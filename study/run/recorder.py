"""Follows a run: what becomes recorded is counted, shown, sent to MLflow, and at last packed into larger files."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.ledger import FINAL_STATES, Ledger
from evenkeel.study.records.parquet import RECORDS_A_FILE
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.run.interfaces import Display
from evenkeel.study.run.worker import make_failure_record
from evenkeel.trainables import Trial
from evenkeel.trainables.result import State


class TrialTracker(Protocol):
    """Who is told of trials as they run."""

    def announce(self, trials: list[Trial]) -> None:
        """These begin."""
        ...

    def submit(self, record: TrialRecord) -> None:
        """This one is recorded."""
        ...

    def retire(self, trial_ids: Collection[str]) -> None:
        """These are no longer part of the study."""
        ...


class RunRecorder:
    """Keeps the entries of a study while its queue is driven: the only one that reads and writes records there.

    `entries` are those of the recorded trials by id, with the named `scores`; `num_new` counts what this run recorded.
    `epoch_score` is that by which a search's trials are stopped, if they are.
    """

    def __init__(
        self,
        ledger: Ledger,
        tracker: TrialTracker,
        display: Display,
        entries: dict[str, IndexEntry],
        scores: Collection[str],
        epoch_score: str | None = None,
    ) -> None:
        self.ledger, self.tracker, self.display, self.scores = ledger, tracker, display, scores
        self.num_new, self.epoch_score = 0, epoch_score
        self.recorded: set[str] = set()
        self.unpacked: list[str] = []
        self.reset(entries)

    def reset(self, entries: dict[str, IndexEntry]) -> None:
        """Go on with these entries: the ledger was read again."""
        self.entries = dict(entries)
        self.states = Counter(entry.state for entry in entries.values())

    @property
    def num_lost(self) -> int:
        """How many trials ran and have no record that can be read."""
        return len(self.recorded - self.entries.keys())

    def begin_pack(self, trials: list[Trial]) -> None:
        """Show in MLflow that these run."""
        self.tracker.announce(trials)

    def find_recorded(self, trials: list[Trial]) -> dict[str, Outcome]:
        """By id, those of the trials that have a record."""
        records = [record for trial in trials if (record := self.ledger.find(trial.id))]
        return {record.id: Outcome(record.state, record.metrics, self._stopped_curve(record)) for record in records}

    def _stopped_curve(self, record: TrialRecord) -> tuple[float | None, ...]:
        return tuple(record.curves.get(self.epoch_score or "", ())) if record.state == "censored" else ()

    def give_up(self, trial: Trial, error: str) -> None:
        """Record a trial as failed."""
        self.ledger.write(make_failure_record(self.ledger.study, trial, error))
        self.add(trial.id, "failed")

    def add(self, trial_id: str, state: State) -> None:
        """Count a recorded trial, show it and send it on; from time to time, pack what is closed for good."""
        self.num_new += 1
        self.recorded.add(trial_id)
        self._count(trial_id, state)
        if record := self.ledger.find(trial_id):
            self.tracker.submit(record)
            self._remember(trial_id, record)
        if state in FINAL_STATES:
            self.unpacked.append(trial_id)
        if len(self.unpacked) >= 2 * RECORDS_A_FILE:
            self.ledger.pack(self.unpacked[:RECORDS_A_FILE])
            del self.unpacked[:RECORDS_A_FILE]

    def retire(self, trial_ids: Collection[str]) -> None:
        """Set aside recorded trials that are no longer part of the study."""
        if trial_ids:
            self.display.say(f"{len(trial_ids)} trials that a longer search supersedes were moved to retired/")
            self.ledger.retire(trial_ids)
            self.tracker.retire(trial_ids)
            self.entries = {i: entry for i, entry in self.entries.items() if i not in set(trial_ids)}

    def _count(self, trial_id: str, state: State) -> None:
        if former := self.entries.get(trial_id):
            self.states[former.state] -= 1
        self.states[state] += 1
        self.display.update(+self.states, self.num_new)

    def _remember(self, trial_id: str, record: TrialRecord) -> None:
        self.entries[trial_id] = replace(IndexEntry.from_record(record, self.scores), id=trial_id)
