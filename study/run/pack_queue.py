"""What to run next: a plain state machine that every runner drives.

Searched trials go first: a worker that becomes free gets its share of what a search waits for, or of new proposals;
planned packs fill the workers meanwhile. So that a proposal knows all that ended before its worker became free, no pack
is given out ahead while a search goes on. A pack that failed is
cut, between losses first, then in halves, until the guilty trial is alone; that one is tried again, then given up with
its text. When nothing at all has succeeded and trials of every loss of the first failing pack have failed for one and
the same reason, the study stops: the others would go the same way.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from evenkeel.study.errors import StorageError
from evenkeel.study.plan.adaptive_seeds import AdaptiveSeeds
from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.records.index_entry import extract_reason
from evenkeel.study.run.failure_reasons import reason_pattern
from evenkeel.study.run.pack import Pack, PackReport
from evenkeel.study.run.pack_sizing import make_sizing
from evenkeel.trainables import Trial
from evenkeel.trainables.result import State

if TYPE_CHECKING:  # Optuna is imported only by a study that searches
    from evenkeel.study.plan.study_searches import StudySearches


class Recorder(Protocol):
    """Who keeps the records of the trials that a queue gives out."""

    def begin_pack(self, trials: list[Trial]) -> None:
        """These trials run from now on."""
        ...

    def find_recorded(self, trials: list[Trial]) -> dict[str, Outcome]:
        """By id, those that are recorded although no report names them: a worker that died may have got so far."""
        ...

    def add(self, trial_id: str, state: State) -> None:
        """A trial is recorded; called once for each."""
        ...

    def give_up(self, trial: Trial, error: str) -> None:
        """Record a trial as failed, with the text of its error; `add` is not called for it."""
        ...


class PackQueue:
    """Packs out (`next_pack`), reports in (`finish`), until it is `done`.

    `outcomes` are the recorded trials by id, those that come in included. `pack_size` is the largest number of trials
    to a pack (None: as measured), `retries` how often a trial that failed alone is tried again. `adaptive` says which
    trials of a sweep are planned further when those that are planned are recorded, `one_by_one` that trials of a pack
    run one after the other.
    """

    def __init__(
        self,
        planned: list[Trial],
        searches: "StudySearches | None",
        recorder: Recorder,
        *,
        outcomes: Mapping[str, Outcome],
        pack_size: int | None,
        retries: int,
        keep_going: bool,
        adaptive: AdaptiveSeeds | None = None,
        one_by_one: bool = False,
    ) -> None:
        self.recorder, self.searches, self.outcomes = recorder, searches, dict(outcomes)
        self.adaptive = adaptive
        self.sizing = make_sizing(pack_size, one_by_one=one_by_one)
        self.retries, self.workers = retries, 1
        missing = [trial for trial in planned if trial.id not in outcomes]
        self.planned = deque([missing] if missing else [])
        self.urgent: dict[str, list[Trial]] = defaultdict(list)
        self.again: deque[list[Trial]] = deque()
        self.attempts: Counter[str] = Counter()
        self.in_flight: dict[int, Pack] = {}
        self.started_at: dict[int, float] = {}
        self.num_packs = 0
        self.stopping = False
        self.storage_error: str | None = None
        self.same_reason: str | None = None
        self.early_failures = None if keep_going else EarlyFailures()
        if searches:
            self._add_urgent(searches.start(self.outcomes))

    def repack(self, workers: int) -> None:
        """Cut what is still to be given out into packs for so many workers."""
        self.workers = workers
        trials = [trial for pack in self.planned for trial in pack]
        self.planned = deque(self.sizing.cut(trials, workers))

    def stop(self) -> None:
        """Give out nothing more; `done` when what is in flight has landed."""
        self.stopping = True

    def next_pack(self) -> Pack | None:
        """The next pack, or None when all that is left waits for packs in flight (or nothing is left: see `done`)."""
        trials = None if self.stopping or self.is_full else self._next_trials()
        if not trials or self.stopping:
            return None
        self.num_packs += 1
        pack = Pack(self.num_packs, trials)
        self.started_at[pack.number] = time.monotonic()
        self.in_flight[pack.number] = pack
        self.recorder.begin_pack(trials)
        return pack

    @property
    def is_full(self) -> bool:
        """Whether every worker has a pack, while a search goes on."""
        return len(self.in_flight) >= self.workers and bool(self.searches and not self.searches.is_over)

    @property
    def done(self) -> bool:
        """Nothing left to give out and nothing in flight."""
        return not self.in_flight and (self.stopping or self.is_empty)

    @property
    def is_empty(self) -> bool:
        """Nothing left to give out now."""
        return not (self.planned or self.again or any(self.urgent.values()) or self._num_open)

    @property
    def _num_open(self) -> int:
        return self.searches.num_open(self.workers) if self.searches else 0

    def finish(self, number: int, report: PackReport) -> None:
        """Take the report of a pack; trials it does not name go back into the queue, or are given up."""
        pack = self.in_flight.pop(number)
        self.started_at.pop(number)
        for trial in pack.trials:
            if trial.id in report.states:
                curve = tuple(report.curves.get(trial.id, ()))
                self._take(trial.id, Outcome(report.states[trial.id], report.scores[trial.id], curve))
        if report.cost and self.sizing.learn(report.cost):
            self.repack(self.workers)
        unnamed = [trial for trial in pack.trials if trial.id not in report.states.keys() | report.errors.keys()]
        if report.storage_error:
            self.storage_error = report.storage_error
            self.stop()
        elif report.is_cut_short:
            self.planned.appendleft(unnamed)
        elif unnamed and not report.skipped:
            self._retry(unnamed, report.error or "the pack ended without a result")
        self._retry_failed([trial for trial in pack.trials if trial.id in report.errors], report.errors)

    def _next_trials(self) -> list[Trial] | None:
        if self.again:
            return self.again.popleft()
        size = self._share(sum(map(len, self.urgent.values())))
        while not self.stopping and not any(self.urgent.values()) and self._num_open:
            size = self.sizing.size  # they are this worker's share already
            self._propose()
        for key, trials in self.urgent.items():
            if trials:
                self.urgent[key] = trials[size:]
                return trials[:size]
        return self.planned.popleft() if self.planned else None

    def _share(self, num: int) -> int:
        """Of so many trials or proposals, those for one of the workers that are free."""
        free = max(1, self.workers - len(self.in_flight))
        return min(self.sizing.size, -(-num // free))

    def _propose(self) -> None:
        """Make a worker's share of new proposals; without a place to write them down, the run stops."""
        assert self.searches
        try:
            self._add_urgent(self.searches.ask(self._share(self._num_open), self.workers, self.outcomes))
        except StorageError as error:
            self.storage_error = str(error)
            self.stop()

    def _take(self, trial_id: str, outcome: Outcome) -> None:
        """A trial is recorded."""
        self.recorder.add(trial_id, outcome.state)
        self._learn(trial_id, outcome)

    def _learn(self, trial_id: str, outcome: Outcome) -> None:
        names = self.searches.scores if self.searches else ()
        self.outcomes[trial_id] = outcome._replace(scores={name: outcome.scores.get(name) for name in names})
        if outcome.state != "failed":
            self.early_failures = None
        if self.searches:
            self._add_urgent(self.searches.take_outcome(trial_id, self.outcomes))
        if self.adaptive and (trials := self.adaptive.take(trial_id, self.outcomes)):
            self.planned += self.sizing.cut(trials, self.workers)

    def _retry(self, trials: list[Trial], error: str) -> None:
        """Run trials again whose pack ended without them: in parts, and the one that is alone some more times."""
        recorded = self.recorder.find_recorded(trials)
        for trial_id, outcome in recorded.items():
            self._take(trial_id, outcome)
        missing = [trial for trial in trials if trial.id not in recorded]
        if self.early_failures:
            self.early_failures.note_pack(missing)
        if len(missing) > 1:
            first, *later = self.sizing.cut_failed(missing)
            self.again.appendleft(first)
            self.again += later
            return
        for trial in missing:
            self._retry_alone(trial, error)

    def _retry_failed(self, trials: list[Trial], errors: Mapping[str, str]) -> None:
        """Each of these has failed by itself, while others of its pack went on."""
        if self.early_failures and trials:
            self.early_failures.note_pack(trials)
        for trial in trials:
            self._retry_alone(trial, errors[trial.id])

    def _retry_alone(self, trial: Trial, error: str) -> None:
        self.attempts[trial.id] += 1
        if self.attempts[trial.id] <= self.retries:
            self.again.appendleft([trial])
            return
        self.recorder.give_up(trial, error)
        self._learn(trial.id, Outcome("failed", {}))
        if self.early_failures and self.early_failures.is_hopeless(trial, error) and not self.is_empty:
            self.same_reason = extract_reason(error)
            self.stop()

    def _add_urgent(self, trials: list[Trial]) -> None:
        for trial in trials:
            self.urgent[self.sizing.key(trial)].append(trial)


MIN_LONE_FAILURES = 3
"""So many trials must have failed alone before the rest is given up."""


class EarlyFailures:
    """What failed before any trial succeeded: do all losses of the first pack fail for one reason?"""

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.failed: list[str] = []
        self.patterns: set[str] = set()

    def note_pack(self, trials: list[Trial]) -> None:
        """A pack failed as a whole; the first one counts."""
        self.labels = self.labels or {trial.label for trial in trials}

    def is_hopeless(self, trial: Trial, error: str) -> bool:
        """A trial failed alone; True when every loss has been seen to fail so."""
        self.failed.append(trial.label)
        self.patterns.add(reason_pattern(extract_reason(error)))
        return len(self.patterns) == 1 and len(self.failed) >= MIN_LONE_FAILURES and self.labels <= set(self.failed)
