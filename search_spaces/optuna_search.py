"""A space as Optuna sees it, and the samplers by name. The only module here that imports optuna."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from evenkeel.search_spaces.space import Choice, Float, Int, Parameter, Space

SAMPLERS = ("tpe", "gp", "random", "cmaes")


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


def sampler(name: str, *, seed: int, num_startup: int) -> optuna.samplers.BaseSampler:
    """A seeded sampler: tpe (multivariate, the default of Optuna 5), gp, random or cmaes."""
    makers: dict[str, Any] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, n_startup_trials=num_startup),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, n_startup_trials=num_startup),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=num_startup),
    }
    return makers[name]()
