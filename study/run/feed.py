"""What to run next: a plain state machine that every runner drives.

Searched trials go first, since others wait for them; planned packs fill the workers meanwhile. A pack that failed is
cut in halves until the guilty trial is alone; that one is tried again, then recorded as failed with its text.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from study.plan.known import Known
from study.records.ledger import Ledger
from study.run.worker import Pack, Report, failed
from trainables import Trial

if TYPE_CHECKING:  # Optuna is imported only by a study that searches
    from study.plan.search import Searches


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
        pack_size: int,
        workers: int,
        retries: int,
        on_trial: Callable[[str, str], None],
        on_pack: Callable[[list[Trial]], None],
    ) -> None:
        self.ledger, self.searches, self.known = ledger, searches, dict(known)
        self.pack_size, self.retries, self.on_trial, self.on_pack = pack_size, retries, on_trial, on_pack
        self.planned = deque(divide([t for t in planned if t.id not in known], pack_size, workers))
        self.urgent: dict[str, list[Trial]] = defaultdict(list)
        self.again: deque[list[Trial]] = deque()
        self.attempts: Counter[str] = Counter()
        self.flying: dict[int, Pack] = {}
        self.num_packs = 0
        if searches:
            self._add_urgent(searches.start(self.known))

    def next(self) -> Pack | None:
        """The next pack, or None when all that is left waits for flying packs (or nothing is left: see `over`)."""
        trials = self._next_trials()
        if trials is None:
            return None
        self.num_packs += 1
        pack = Pack(self.num_packs, trials)
        self.flying[pack.number] = pack
        self.on_pack(trials)
        return pack

    @property
    def over(self) -> bool:
        """Nothing left to give out and nothing flying."""
        return not (self.flying or self.planned or self.again or any(self.urgent.values()))

    def finished(self, number: int, report: Report) -> None:
        """Take the report of a pack; trials it did not record go back into the queue or are recorded as failed."""
        pack = self.flying.pop(number)
        for trial in pack.trials:
            if trial.id in report.states:
                self._recorded(trial.id, report.states[trial.id], report.scores[trial.id])
        rest = [trial for trial in pack.trials if trial.id not in report.states]
        if rest:
            self._retry(rest, report.error or "the pack ended without a result")

    def _next_trials(self) -> list[Trial] | None:
        if self.again:
            return self.again.popleft()
        for shared, trials in self.urgent.items():
            if trials:
                self.urgent[shared] = trials[self.pack_size :]
                return trials[: self.pack_size]
        return self.planned.popleft() if self.planned else None

    def _recorded(self, trial_id: str, state: str, scores: dict[str, float | None]) -> None:
        self.known[trial_id] = Known(state, scores)
        self.on_trial(trial_id, state)
        if self.searches:
            self._add_urgent(self.searches.hear(trial_id, self.known))

    def _retry(self, trials: list[Trial], error: str) -> None:
        recorded = self.ledger.ids()
        for trial in [t for t in trials if t.id in recorded]:
            record = self.ledger.read(trial.id)
            self._recorded(trial.id, record.state, record.metrics)
        trials = [t for t in trials if t.id not in recorded]
        if len(trials) > 1:
            half = len(trials) // 2
            self.again += [trials[:half], trials[half:]]
            return
        for trial in trials:
            self.attempts[trial.id] += 1
            if self.attempts[trial.id] <= self.retries:
                self.again.append([trial])
                continue
            self.ledger.write(failed(self.ledger.study, trial, error))
            self._recorded(trial.id, "failed", {})

    def _add_urgent(self, trials: list[Trial]) -> None:
        for trial in trials:
            self.urgent[_shared(trial)].append(trial)


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
