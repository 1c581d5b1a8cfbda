"""The search of one loss on one seed group: proposals out, values in, at last the winner on fresh seeds."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from evenkeel.search_spaces.constraints import obeys
from evenkeel.search_spaces.optuna_search import Proposals, Setting
from evenkeel.study.file.designs import SearchDesign
from evenkeel.study.file.pruning import epoch_score, epoch_sign
from evenkeel.study.file.study import Entry
from evenkeel.study.plan.outcome import Outcome
from evenkeel.study.plan.planner import Planner
from evenkeel.trainables import Trial


def search_stream(loss: Entry) -> str:
    """What a search is seeded by besides the study's seed: the loss, whatever a study calls it and whatever others it
    has; a loss as printed (`bal-eq4`) draws as it does as published (`bal`)."""
    return loss.loss.partition("-eq")[0]


@dataclass(frozen=True)
class Proposal:
    """A setting that a search asks about, and its trials, one a seed of the group."""

    number: int
    setting: Setting
    trials: list[Trial]

    def is_complete(self, outcomes: Mapping[str, Outcome]) -> bool:
        """Whether all its trials are recorded."""
        return all(trial.id in outcomes for trial in self.trials)


class Reply(NamedTuple):
    """What came of a proposal: values that are to be high, None for nothing; the `epoch` after which it was stopped."""

    values: tuple[float, ...] | None
    epoch: int | None = None


class LossSearch:
    """The search of a loss on a seed group; what it proposes follows from its seed and from what it was told, in order.

    `answers` are those to the proposals that were told, by number.
    """

    def __init__(self, planner: Planner, loss: Entry, group: int) -> None:
        config = planner.config
        assert config.designs.search
        self.settings: SearchDesign = config.designs.search
        self.planner, self.loss, self.group = planner, loss, group
        width = self.settings.seeds_per_group
        self.seeds = config.all_seeds[group * width : (group + 1) * width]
        self.scores = {f"val_{name}": config.sign(name) for name in config.search_metrics}
        stopped_by = epoch_score(config)
        self.epoch_sign = epoch_sign(config, stopped_by) if stopped_by else 1
        self.space = config.axes(loss)
        seed = f"{self.settings.seed} {search_stream(loss)} {group}"
        self.default: Setting = {name: parameter.default for name, parameter in self.space.parameters.items()}
        constraints, defaults = self.settings.parsed_constraints, config.defaults(loss)
        self.sampling = Proposals(
            self.settings.sampler,
            self.space,
            seed=seed,
            num_values=len(self.scores),
            allowed=lambda setting: obeys(constraints, defaults | setting),
        )
        self.starts = [start for start in self._list_starts() if self._is_valid(start)]
        self.proposals: dict[int, Proposal] = {}
        self.next_number = 0
        self.answers: dict[int, Reply] = {}

    @property
    def key(self) -> str:
        """16 hexadecimal digits: a hash of all that decides what is proposed, whatever the study calls the loss."""
        trial = self.planner.trial(self.loss, {}, self.seeds[0], "search")
        spans = {name: parameter.span for name, parameter in self.space.parameters.items()}
        parts = [trial.id, self.seeds, list(self.scores), self.settings.sampler, self.settings.seed, self.group]
        parts += [spans, *self.settings.constraints]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def num_running(self) -> int:
        """How many proposals are out."""
        return len(self.proposals) - len(self.answers)

    @property
    def num_left(self) -> int:
        """How many proposals are still to be asked for."""
        return max(0, self.settings.trials - len(self.proposals))

    def room(self, limit: int) -> int:
        """How many proposals may be made now, when so many may be out."""
        return min(self.num_left, max(0, limit - self.num_running))

    @property
    def is_over(self) -> bool:
        """Whether all proposals were made, and told."""
        return not self.num_left and not self.num_running

    def _list_starts(self) -> list[Setting]:
        """The published default, then those of the user's that name what this loss varies, in its types."""
        own = [start for start in self.settings.start if start.keys() <= self.default.keys()]
        typed = [{name: self.space.typed(name, value) for name, value in start.items()} for start in own]
        return [self.default, *(self.default | start for start in typed)]

    def _is_valid(self, setting: Setting) -> bool:
        inside = (parameter.problem(setting[name]) is None for name, parameter in self.space.parameters.items())
        return all(inside) and self.sampling.allowed(setting)

    def ask(self) -> Proposal:
        """The next proposal: what to start from first. Raises ValueError where constraints leave nothing."""
        number = self.next_number
        if not self.starts:
            return self._note(number, self.sampling.ask(number))
        self.sampling.add(number, self.starts[0])
        return self._note(number, self.starts[0])

    def repeat(self, number: int, setting: Setting) -> None:
        """Take what an earlier run asked, under its number; one that is taken already stays."""
        if number in self.proposals:
            return
        (self.sampling.add if setting in self.starts else self.sampling.repeat)(number, setting)
        self._note(number, setting)

    def _note(self, number: int, setting: Setting) -> Proposal:
        trials = [self._make_trial(setting, seed, number) for seed in self.seeds]
        self.proposals[number] = Proposal(number, setting, trials)
        while self.next_number in self.proposals:
            self.next_number += 1
        self.starts = [start for start in self.starts if start != setting]
        return self.proposals[number]

    def _make_trial(self, setting: Setting, seed: int, number: int | None = None) -> Trial:
        return self.planner.trial(self.loss, setting, seed, "search", group=self.group, proposal=number)

    def adopt(self, trial: Trial) -> Proposal | None:
        """The proposal that a recorded trial is of: one that is there, or a new one of its number. None for a trial
        that this search cannot have asked for."""
        setting = {name: trial.setting.get(name, value) for name, value in self.default.items()}
        if trial.seed not in self.seeds or not self._is_valid(setting):
            return None
        if self._make_trial(setting, trial.seed).id != trial.id:
            return None
        same = (proposal.number for proposal in self.proposals.values() if proposal.setting == setting)
        own = trial.proposal
        free = self.next_number if own is None or own in self.proposals else own
        self.repeat(number := next(same, free), setting)
        return self.proposals[number]

    def answer(self, proposal: Proposal, outcomes: Mapping[str, Outcome]) -> Reply:
        """Of each score on validation the mean over its seeds, turned where lower is better; where a trial of it was
        stopped, the last one by which it was judged."""
        recorded = [outcomes[trial.id] for trial in proposal.trials]
        if stopped := next((outcome for outcome in recorded if outcome.state == "censored"), None):
            return self._answer_stopped(stopped.curve, self.answers.get(proposal.number))
        scores = [outcome.scores for outcome in recorded if outcome.state != "failed"]
        defined = [[score for own in scores if (score := own.get(name)) is not None] for name in self.scores]
        if not all(defined):
            return Reply(None)
        return Reply(tuple(sign * fmean(own) for sign, own in zip(self.scores.values(), defined, strict=True)))

    def _answer_stopped(self, curve: Sequence[float | None], before: Reply | None) -> Reply:
        if not curve:
            return before or Reply(None)
        return Reply(None if curve[-1] is None else (self.epoch_sign * curve[-1],), len(curve))

    def tell(self, number: int, answer: Reply) -> bool:
        """Tell the sampler what came of a proposal; False where it knows already."""
        if self.answers.get(number) == answer:
            return False
        self.reopen(number)
        self.sampling.tell(number, *answer)
        self.answers[number] = answer
        return True

    def reopen(self, number: int) -> None:
        """Wait again for a proposal that was told: a trial of it failed, or its record was lost, and runs again."""
        if number in self.answers:
            del self.answers[number]
            self.sampling.add(number, self.proposals[number].setting)

    def confirm(self) -> list[Trial]:
        """The winner (chosen on validation, other than the default) and the default, on seeds that nothing has seen."""
        settings: list[tuple[dict[str, Any], int | None]] = [({}, None)]
        if (winner := self._find_winner()) is not None:
            settings.append((winner, self.group))
        return [
            self.planner.trial(self.loss, setting, seed, "confirm", group=group)
            for setting, group in settings
            for seed in self.planner.config.fresh_seeds
        ]

    def _find_winner(self) -> Setting | None:
        """Of equals the one that was proposed first; none that was stopped."""
        values = {
            number: answer.values[0]
            for number, answer in sorted(self.answers.items())
            if answer.values and not answer.epoch and self.proposals[number].setting != self.default
        }
        return self.proposals[max(values, key=lambda number: values[number])].setting if values else None
