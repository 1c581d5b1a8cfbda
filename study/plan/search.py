"""Optuna by ask and tell: one study per loss and seed group, in batches, told every state correctly.

Proposals depend only on the sampler's seed and on what was told, in order; so a search that was killed is replayed
from the ledger and goes on where it stopped. Nothing of it needs to be stored. A sampler looks at all it was told
whenever it is asked, so a long search lets it see a bounded part of that: the best and the latest.
"""

import zlib
from collections.abc import Mapping
from statistics import fmean

import optuna
from optuna.trial import TrialState

from evenkeel.search_spaces.optuna_search import distributions, sampler
from evenkeel.study.file.designs import SearchDesign
from evenkeel.study.file.study import Entry
from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.plan.planner import Planner
from evenkeel.trainables import Trial
from evenkeel.trainables.result import State

MAX_SEEN, NUM_KEPT, NUM_BEST = 300, 150, 30
"""A sampler that saw more than so many proposals goes on with the best of them and the latest."""
MAX_STARTUP = 10
"""Proposals that are drawn at random: the first batch, in which a sampler knows nothing. How many proposals a search
will have decides nothing, so that it can be extended."""


def search_stream(loss: Entry) -> str:
    """What a search is seeded by besides the study's seed: the loss, whatever a study calls it and whatever others it
    has; a loss as printed (`bal-eq4`) draws as it does as published (`bal`)."""
    return loss.loss.partition("-eq")[0]


class LossSearch:
    """The search of one loss on one seed group: proposals out, scores in, at last the winner on fresh seeds."""

    def __init__(self, planner: Planner, loss: Entry, group: int) -> None:
        config = planner.config
        assert config.designs.search
        self.settings: SearchDesign = config.designs.search
        self.planner, self.loss, self.group = planner, loss, group
        width = self.settings.seeds_per_group
        self.seeds = config.all_seeds[group * width : (group + 1) * width]
        seed = zlib.crc32(f"{self.settings.seed} {search_stream(loss)} {group}".encode())
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        chosen = sampler(self.settings.sampler, seed=seed, num_startup=min(MAX_STARTUP, self.settings.batch))
        self.study = optuna.create_study(direction="maximize", sampler=chosen)
        self.num_asked = 0
        self.batch: list[tuple[optuna.trial.Trial, list[Trial]]] = []
        self.results: dict[str, tuple[str, float | None]] = {}
        self.confirming = False

    def ask(self) -> list[Trial]:
        """The next trials to run, or none when the search and its confirmation are over."""
        if self.confirming:
            return []
        num = min(self.settings.batch, self.settings.trials - self.num_asked)
        if num <= 0:
            self.confirming = True
            return self._confirm()
        space = distributions(self.planner.config.axes(self.loss))
        self.batch = []
        for number in range(self.num_asked, self.num_asked + num):
            proposal = self.study.ask(space)
            self.batch.append((proposal, [self._trial(proposal.params, seed, number) for seed in self.seeds]))
        self.num_asked += num
        return [trial for _, trials in self.batch for trial in trials]

    def _trial(self, setting: dict[str, object], seed: int, number: int) -> Trial:
        return self.planner.trial(self.loss, setting, seed, "search", group=self.group, proposal=number)

    def tell(self, state: State, score: float | None, trial_id: str) -> bool:
        """Take one result; True when the batch is complete and Optuna has been told of it, in the order asked."""
        self.results[trial_id] = (state, score)
        if any(trial.id not in self.results for _, trials in self.batch for trial in trials):
            return False
        for proposal, trials in self.batch:
            scores = [self.results[trial.id][1] for trial in trials if self.results[trial.id][0] != "failed"]
            defined = [score for score in scores if score is not None]
            if defined:
                self.study.tell(proposal, fmean(defined))
            else:
                self.study.tell(proposal, state=TrialState.FAIL)
        self.batch = []
        self._forget()
        return True

    def _forget(self) -> None:
        """Keep what a sampler sees bounded; nothing is asked at this moment."""
        trials = self.study.get_trials(deepcopy=False)
        if len(trials) <= MAX_SEEN:
            return
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        best = sorted(complete, key=lambda trial: -_value(trial))  # a tie is the earlier one's, as in Optuna
        kept = {trial.number: trial for trial in [*best[:NUM_BEST], *trials[NUM_BEST - NUM_KEPT :]]}
        self.study = optuna.create_study(direction="maximize", sampler=self.study.sampler)
        self.study.add_trials([kept[number] for number in sorted(kept)])

    def _confirm(self) -> list[Trial]:
        """The winner (chosen on validation) and the default, on seeds that nothing has seen."""
        complete = [t for t in self.study.trials if t.state == TrialState.COMPLETE]
        settings: list[dict[str, object]] = [{}]
        if complete:
            settings.append(self.study.best_params)
        trials = [
            self.planner.trial(self.loss, setting, seed, "confirm", group=self.group if setting else None)
            for setting in settings
            for seed in self.planner.config.fresh_seeds
        ]
        return list({trial.id: trial for trial in trials}.values())


def _value(trial: optuna.trial.FrozenTrial) -> float:
    return float("-inf") if trial.value is None else trial.value


class StudySearches:
    """All searches of a study. Gives out trials that may run now; takes outcomes; knows when all is over."""

    def __init__(self, planner: Planner) -> None:
        search = planner.config.designs.search
        losses = [loss for loss in planner.config.entries if planner.config.axes(loss).parameters] if search else []
        groups = search.groups if search else 0
        self.scores = planner.config.searched
        self.sign = planner.config.sign(planner.config.metric) if search else 1
        self.members = [LossSearch(planner, loss, group) for loss in losses for group in range(groups)]
        self.waiting: dict[str, list[LossSearch]] = {}
        self.trials: dict[str, Trial] = {}

    def start(self, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """Replay from the ledger's records; returns the trials that are missing now."""
        missing: list[Trial] = []
        for member in self.members:
            missing += self._advance(member, outcomes)
        return missing

    def take_outcome(self, trial_id: str, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """A trial is recorded; returns the trials that may run now."""
        missing: list[Trial] = []
        for member in self.waiting.pop(trial_id, ()):
            if not member.confirming and self._tell(member, trial_id, outcomes[trial_id]):
                missing += self._advance(member, outcomes)
        return missing

    def _tell(self, member: LossSearch, trial_id: str, outcome: Outcome) -> bool:
        score = outcome.scores.get(self.scores[0])  # turned where lower is better: a search looks for the highest
        return member.tell(outcome.state, None if score is None else self.sign * score, trial_id)

    def _advance(self, member: LossSearch, outcomes: Mapping[str, Outcome]) -> list[Trial]:
        """The trials that a search asks for next, without those that are recorded or that run for another already."""
        while trials := list({trial.id: trial for trial in member.ask()}.values()):
            self.trials |= {trial.id: trial for trial in trials}
            waited = [trial for trial in trials if trial.id not in outcomes]
            missing = [trial for trial in waited if trial.id not in self.waiting]
            for trial in waited:
                self.waiting.setdefault(trial.id, []).append(member)
            if member.confirming:
                return missing
            complete = False
            for trial in trials:
                if trial.id in outcomes:
                    complete = self._tell(member, trial.id, outcomes[trial.id])
            if not complete:
                return missing
        return []
