"""All searches of a study: which trials may run now, whoever else still runs.

A worker that becomes free gets trials of proposals that are made already, then new proposals. Those are written to a
journal before any of their trials runs, and so is all that was told before them, in order: a run that goes on reads it,
and asks what the former one asked. What a sampler knew at each proposal is thus what stands before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.plan.planner import Planner
from evenkeel.study.plan.search import LossSearch, Proposal, Reply
from evenkeel.trainables import Trial

Event = dict[str, Any]
"""`search`, the key of one; `proposal`, its number; and the `setting` that was asked about, or the `values` told, with
the `epoch` after which it was stopped."""


class Journal(Protocol):
    """Keeps events, in order."""

    def read(self) -> Iterable[Event]:
        """All that was written."""
        ...

    def append(self, events: list[Event]) -> None:
        """Write all of these or nothing."""
        ...


class StudySearches:
    """All searches of a study. Gives out trials that may run now; takes outcomes; knows when all is over."""

    def __init__(self, planner: Planner, journal: Journal) -> None:
        search = planner.config.designs.search
        losses = [loss for loss in planner.config.entries if planner.config.axes(loss).parameters] if search else []
        groups = range(search.groups if search else 0)
        members = [LossSearch(planner, loss, group) for loss in losses for group in groups]
        self.members = {member.key: member for member in members}
        self.scores, self.journal, self.batch = planner.config.searched, journal, search.batch if search else 0
        self.trials: dict[str, Trial] = {}
        self.waiting: dict[str, list[tuple[str, int]]] = {}
        self.confirmed: set[str] = set()
        self.events: list[Event] = []
        for event in journal.read():
            self._repeat(event)

    def _repeat(self, event: Event) -> None:
        member, number = self.members.get(event["search"]), event["proposal"]
        if member and "setting" in event and number < member.settings.trials:  # a longer one was given up
            member.repeat(number, event["setting"])
            self._remember(member.proposals[number].trials)
        elif member and number in member.proposals:
            values = event["values"]
            member.tell(number, Reply(None if values is None else tuple(values), event.get("epoch")))

    def adopt(self, trials: Iterable[Trial]) -> None:
        """Take searched trials that are recorded and that no journal names: of before there was one, or it was lost."""
        keys = {(member.loss.label, member.group): key for key, member in self.members.items()}
        for trial in trials:
            key = keys.get((trial.label, trial.group or 0))
            if key and trial.id not in self.trials and (proposal := self.members[key].adopt(trial)):
                self._remember(proposal.trials)
                self._note(key, proposal.number, setting=proposal.setting)
        self._flush()

    def start(self, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """Go on by the ledger's records; returns the missing trials of open proposals and of confirmations."""
        missing: list[Trial] = []
        for key, member in self.members.items():
            for _, proposal in sorted(member.proposals.items()):
                if not proposal.is_complete(outcomes):
                    member.reopen(proposal.number)
                missing += self._follow(key, proposal, outcomes)
            missing += self._confirm(key, outcomes)
        return missing

    def take_outcome(self, trial_id: str, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """A trial is recorded; returns the confirmation's trials where that ends a search."""
        missing: list[Trial] = []
        for key, number in self.waiting.pop(trial_id, ()):
            proposal = self.members[key].proposals[number]
            if proposal.is_complete(outcomes):
                self._tell(key, proposal, outcomes)
            missing += self._confirm(key, outcomes)
        return missing

    @property
    def is_over(self) -> bool:
        """Whether no proposal is out or still to be made."""
        return all(member.is_over for member in self.members.values())

    def num_open(self, workers: int) -> int:
        """How many proposals may be made now, that so many workers have something to do."""
        limit = self._limit(workers)
        return sum(member.room(limit) for member in self.members.values())

    def _limit(self, workers: int) -> int:
        """How many proposals of one search may be out: a batch, or more where workers would be left without work."""
        num_going_on = sum(not member.is_over for member in self.members.values())
        return max(self.batch, -(-workers // max(1, num_going_on)))

    def ask(self, num: int, workers: int, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """Make up to so many new proposals; returns their missing trials: none for settings that ran before."""
        missing: list[Trial] = []
        for _ in range(num):
            limit = self._limit(workers)
            keys = [key for key, member in self.members.items() if member.room(limit)]
            if not keys:
                break
            key = min(keys, key=lambda key: (self.members[key].num_running, len(self.members[key].proposals)))
            proposal = self.members[key].ask()
            self._note(key, proposal.number, setting=proposal.setting)
            missing += [*self._follow(key, proposal, outcomes), *self._confirm(key, outcomes)]
        self._flush()
        return missing

    def _follow(self, key: str, proposal: Proposal, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """The trials of a proposal that are missing and do not run for another already."""
        self._remember(proposal.trials)
        waited = [trial for trial in proposal.trials if trial.id not in outcomes]
        missing = [trial for trial in waited if trial.id not in self.waiting]
        for trial in waited:
            self.waiting.setdefault(trial.id, []).append((key, proposal.number))
        if not waited:
            self._tell(key, proposal, outcomes)
        return missing

    def _tell(self, key: str, proposal: Proposal, outcomes: Mapping[str, Outcome]) -> None:
        member = self.members[key]
        answer = member.answer(proposal, outcomes)
        if member.tell(proposal.number, answer):
            epoch = {"epoch": answer.epoch} if answer.epoch else {}
            self._note(key, proposal.number, values=answer.values and list(answer.values), **epoch)

    def _confirm(self, key: str, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """The missing trials of the confirmation, once, when the search is over."""
        if key in self.confirmed or not self.members[key].is_over:
            return []
        self.confirmed.add(key)
        trials = {trial.id: trial for trial in self.members[key].confirm()}
        self._remember(trials.values())
        missing = [trial for trial in trials.values() if trial.id not in outcomes and trial.id not in self.waiting]
        self.waiting |= {trial.id: [] for trial in missing}
        return missing

    def _remember(self, trials: Iterable[Trial]) -> None:
        self.trials |= {trial.id: trial for trial in trials}

    def _note(self, key: str, number: int, **answer: Any) -> None:
        self.events.append({"search": key, "proposal": number, **answer})

    def _flush(self) -> None:
        if self.events:
            self.journal.append(self.events)
            self.events = []
