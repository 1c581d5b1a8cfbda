"""A space as Optuna sees it, its samplers by name, and what they propose. The only module here that imports optuna.

Optuna's samplers draw from one generator that every proposal moves on. Here each proposal has a sampler of its own,
seeded by its number: it follows from the seed, the number and what was told before alone, so that a search that was
killed goes on as if it had not been. A sampler looks at all it was told whenever it is asked, so a long search lets the
slower ones see a bounded part of that: the best, the latest, and what runs.
"""

import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from evenkeel.search_spaces.space import Choice, Float, Int, Parameter, Space

NUM_RANDOM, MIN_COMPLETE = 8, 4
"""So many proposals are drawn at random, and more until so many are complete: a sampler knows too little yet."""
MAX_SEEN, NUM_KEPT, NUM_BEST = 300, 150, 30
"""A sampler that saw more than so many proposals goes on with the best of them and the latest."""
GENERATION = 16
"""Proposals to a generation: Optuna's fifty are as many as most searches have."""
MAX_ATTEMPTS = 1000
"""So many draws may break a constraint before a search gives up."""

Setting = dict[str, Any]
Make = Callable[[int, int], optuna.samplers.BaseSampler]

SAMPLERS: dict[str, Make] = {
    "tpe": lambda seed, startup: optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup),
    "gp": lambda seed, startup: optuna.samplers.GPSampler(seed=seed, n_startup_trials=startup),
    "random": lambda seed, startup: optuna.samplers.RandomSampler(seed=seed),
    "cmaes": lambda seed, startup: optuna.samplers.CmaEsSampler(
        seed=seed, n_startup_trials=startup, warn_independent_sampling=False
    ),
    "qmc": lambda seed, startup: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed, startup: optuna.samplers.NSGAIISampler(seed=seed, population_size=GENERATION),
}
"""By name. Optuna tells tpe and gp of what runs: as a constant liar, and by the acquisition of all together."""
SEES_ALL = ("cmaes", "qmc", "nsga2")
"""Where they stand is noted beside their own proposals: of these none is left out, and all are asked again."""
ONE_SEQUENCE = ("qmc",)
"""All proposals come from one sequence, which the seed scrambles."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The same ranges and scales, as Optuna distributions."""
    return {name: _distribution(parameter) for name, parameter in space.parameters.items()}


def _distribution(parameter: Parameter) -> BaseDistribution:
    match parameter:
        case Float():
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        case Int():
            return IntDistribution(parameter.low, parameter.high)
        case Choice():
            return CategoricalDistribution(parameter.options)


class Proposals:
    """The proposals of one search, numbered by whoever asks; `allowed` says which settings obey its constraints.

    `sampler` is a name of SAMPLERS, `seed` a text from which, with the number, each proposal draws. Each is told
    `num_values` values, which are to be high.
    """

    def __init__(
        self,
        sampler: str,
        space: Space,
        *,
        seed: str,
        num_values: int = 1,
        allowed: Callable[[Setting], bool] = lambda setting: True,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.sampler, self.seed, self.allowed = sampler, seed, allowed
        self.distributions = distributions(space)
        self.directions = [StudyDirection.MAXIMIZE] * num_values
        self.study = optuna.create_study(directions=self.directions)
        self.numbers: dict[int, int] = {}
        """Optuna's number of each that a sampler may look at."""

    def ask(self, number: int) -> Setting:
        """A new setting, by all that was told. Raises ValueError where none obeys the constraints."""
        self._forget()
        for attempt in range(MAX_ATTEMPTS):
            self.study.sampler = self._make_sampler(number, attempt)
            trial = self.study.ask(self.distributions)
            if self.allowed(trial.params):
                self.numbers[number] = trial.number
                return trial.params
            self.study.tell(trial, state=TrialState.FAIL)
        raise ValueError(f"{MAX_ATTEMPTS} settings were drawn and none of them obeys the constraints; loosen them")

    def repeat(self, number: int, setting: Setting) -> None:
        """Go on from what an earlier run asked under this number; another setting that is drawn now is given up."""
        if self.sampler in SEES_ALL and self.ask(number) == setting:
            return
        if number in self.numbers:  # another version of Optuna proposes something else
            self.study.tell(self.numbers[number], state=TrialState.FAIL)
        self.add(number, setting)

    def add(self, number: int, setting: Setting) -> None:
        """A setting that nobody asked for runs, or runs again."""
        self._forget()
        self._add(number, state=TrialState.RUNNING, params=setting, distributions=self.distributions)

    def _add(self, number: int, **trial: Any) -> None:
        self.study.add_trial(create_trial(**trial))
        self.numbers[number] = len(self.study.get_trials(deepcopy=False)) - 1

    def tell(self, number: int, values: Sequence[float] | None, epoch: int | None = None) -> None:
        """What came of one that runs: None for nothing, and the last value of one that was stopped after an epoch."""
        state = TrialState.FAIL if values is None or epoch else TrialState.COMPLETE
        running = self.study.get_trials(deepcopy=False)[self.numbers[number]]
        self.study.tell(running.number, None if epoch else values, state=state)
        if values and epoch:
            parts = {"params": running.params, "distributions": self.distributions}
            self._add(number, state=TrialState.PRUNED, intermediate_values={epoch: values[0]}, **parts)

    def _make_sampler(self, number: int, attempt: int) -> optuna.samplers.BaseSampler:
        own = "" if self.sampler in ONE_SEQUENCE else f" {number} {attempt}"
        startup = MIN_COMPLETE if number >= NUM_RANDOM else NUM_RANDOM
        with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
            return SAMPLERS[self.sampler](zlib.crc32(f"{self.seed}{own}".encode()), startup)

    def _forget(self) -> None:
        if self.sampler in SEES_ALL or len(self.numbers) <= MAX_SEEN:
            return
        trials = self.study.get_trials(deepcopy=False)
        looked_at = {number: trials[own] for number, own in sorted(self.numbers.items())}
        kept = _select(looked_at)
        self.study = optuna.create_study(directions=self.directions)
        self.study.add_trials([looked_at[number] for number in kept])
        self.numbers = {number: own for own, number in enumerate(kept)}


def _select(trials: dict[int, FrozenTrial]) -> Sequence[int]:
    """The numbers of the best, of the latest and of those that run, in order."""
    complete = [number for number, trial in trials.items() if trial.state == TrialState.COMPLETE]
    best = sorted(complete, key=lambda number: -trials[number].values[0])[:NUM_BEST]
    running = [number for number, trial in trials.items() if trial.state == TrialState.RUNNING]
    return sorted({*best, *running, *list(trials)[NUM_BEST - NUM_KEPT :]})
