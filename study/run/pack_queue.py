"""What to run next: a plain state machine that every runner drives.

Searched trials go first, since others wait for them; planned packs fill the workers meanwhile. A pack that failed is
cut, between losses first, then in halves, until the guilty trial is alone; that one is tried again, then recorded as
failed with its text. When nothing at all has succeeded and trials of every loss of the first failing pack have failed
for one and the same reason, the study stops: the others would go the same way.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from evenkeel.study.plan.outcome import Known
from evenkeel.study.records.index_entry import reason_of
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.failure_reasons import kind_of
from evenkeel.study.run.pack_sizing import Sizing
from evenkeel.study.run.worker import Pack, Report, failed
from evenkeel.trainables import Trial

if TYPE_CHECKING:  # Optuna is imported only by a study that searches
    from evenkeel.study.plan.search import Searches


class Feed:
    """Packs out (`next`), reports in (`finished`). `on_trial(id, state)` is called once per recorded trial,
    `on_pack(trials)` for every pack given out."""

    def __init__(
        self,
        planned: list[Trial],
        searches: "Searches | None",
        ledger: Ledger,
        *,
        known: Mapping[str, Known],
        pack_size: int | None,
        retries: int,
        keep_going: bool,
        on_trial: Callable[[str, str], None],
        on_pack: Callable[[list[Trial]], None],
    ) -> None:
        self.ledger, self.searches, self.known = ledger, searches, dict(known)
        self.sizing, self.retries, self.on_trial, self.on_pack = Sizing(pack_size), retries, on_trial, on_pack
        self.workers = 1
        self.planned = deque([missing] if (missing := [t for t in planned if t.id not in known]) else [])
        self.urgent: dict[str, list[Trial]] = defaultdict(list)
        self.again: deque[list[Trial]] = deque()
        self.attempts: Counter[str] = Counter()
        self.flying: dict[int, Pack] = {}
        self.since: dict[int, float] = {}
        self.num_packs = 0
        self.stopping = False
        self.full: str | None = None
        self.same_reason: str | None = None
        self.start = None if keep_going else Start()
        if searches:
            self._add_urgent(searches.start(self.known))

    def divide(self, workers: int) -> None:
        """Cut what is still to be given out into packs for so many workers."""
        self.workers = workers
        self.planned = deque(divide([trial for pack in self.planned for trial in pack], self.sizing.size, workers))

    def stop(self) -> None:
        """Give out nothing more; `over` when what flies has landed."""
        self.stopping = True

    def next(self) -> Pack | None:
        """The next pack, or None when all that is left waits for flying packs (or nothing is left: see `over`)."""
        trials = None if self.stopping else self._next_trials()
        if trials is None:
            return None
        self.num_packs += 1
        pack = Pack(self.num_packs, trials)
        self.since[pack.number] = time.monotonic()
        self.flying[pack.number] = pack
        self.on_pack(trials)
        return pack

    @property
    def over(self) -> bool:
        """Nothing left to give out and nothing flying."""
        return not self.flying and (self.stopping or self.nothing_waits)

    @property
    def nothing_waits(self) -> bool:
        """Nothing left to give out now."""
        return not (self.planned or self.again or any(self.urgent.values()))

    def finished(self, number: int, report: Report) -> None:
        """Take the report of a pack; trials it did not record go back into the queue or are recorded as failed."""
        pack = self.flying.pop(number)
        self.since.pop(number)
        for trial in pack.trials:
            if trial.id in report.states:
                self._recorded(trial.id, report.states[trial.id], report.scores[trial.id])
        if report.cost and self.sizing.heard(report.cost):
            self.divide(self.workers)
        rest = [trial for trial in pack.trials if trial.id not in report.states]
        if report.full:
            self.full = report.full
            self.stop()
        elif rest and not report.skipped:
            self._retry(rest, report.error or "the pack ended without a result")

    def _next_trials(self) -> list[Trial] | None:
        if self.again:
            return self.again.popleft()
        for shared, trials in self.urgent.items():
            if trials:
                self.urgent[shared] = trials[self.sizing.size :]
                return trials[: self.sizing.size]
        return self.planned.popleft() if self.planned else None

    def _recorded(self, trial_id: str, state: str, scores: dict[str, float | None]) -> None:
        searched = self.searches.scores if self.searches else ()
        self.known[trial_id] = Known(state, {name: scores.get(name) for name in searched})
        if state != "failed":
            self.start = None
        self.on_trial(trial_id, state)
        if self.searches:
            self._add_urgent(self.searches.hear(trial_id, self.known))

    def _retry(self, trials: list[Trial], error: str) -> None:
        missing = []
        for trial in trials:
            record = self.ledger.find(trial.id)  # a worker that died may have recorded some
            if record:
                self._recorded(trial.id, record.state, record.metrics)
            else:
                missing.append(trial)
        if self.start:
            self.start.failing(missing)
        if len(missing) > 1:
            first, *others = _parts(missing)
            self.again.appendleft(first)
            self.again += others
            return
        for trial in missing:
            self.attempts[trial.id] += 1
            if self.attempts[trial.id] <= self.retries:
                self.again.appendleft([trial])
                continue
            self.ledger.write(failed(self.ledger.study, trial, error))
            self._recorded(trial.id, "failed", {})
            if self.start and self.start.hopeless(trial, error) and not self.nothing_waits:
                self.same_reason = reason_of(error)
                self.stop()

    def _add_urgent(self, trials: list[Trial]) -> None:
        for trial in trials:
            self.urgent[_shared(trial)].append(trial)


FEW = 3
"""So many trials must have failed alone before the rest is given up."""


class Start:
    """The beginning of a run, until a trial succeeds: do all losses of the first pack fail for one reason?"""

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.failed: list[str] = []
        self.kinds: set[str] = set()

    def failing(self, trials: list[Trial]) -> None:
        """A pack failed as a whole; the first one counts."""
        self.labels = self.labels or {trial.label for trial in trials}

    def hopeless(self, trial: Trial, error: str) -> bool:
        """A trial failed alone; True when every loss has been seen to fail so."""
        self.failed.append(trial.label)
        self.kinds.add(kind_of(reason_of(error)))
        return len(self.kinds) == 1 and len(self.failed) >= FEW and self.labels <= set(self.failed)


def _parts(trials: list[Trial]) -> list[list[Trial]]:
    """A failed pack in parts: one a loss, since mostly one loss is to blame; trials of one loss in halves."""
    by_label: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_label[trial.label].append(trial)
    half = len(trials) // 2
    return list(by_label.values()) if len(by_label) > 1 else [trials[:half], trials[half:]]


def divide(trials: list[Trial], pack_size: int, workers: int) -> list[list[Trial]]:
    """Packs of about equal size, at most `pack_size`, enough of them to occupy all workers.

    The trials of a pack share seed and settings.
    """
    alike: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        alike[_shared(trial)].append(trial)
    packs = []
    for members in alike.values():
        members.sort(key=lambda t: (t.loss, t.label, t.id))
        wanted = max(-(-len(members) // pack_size), -(-workers // len(alike)))
        size = -(-len(members) // wanted)
        packs += [members[start : start + size] for start in range(0, len(members), size)]
    return packs


def _shared(trial: Trial) -> str:
    return f"{trial.seed} {sorted(trial.settings.items())}"
