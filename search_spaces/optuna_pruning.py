"""Which trials of a search end early, by Optuna's pruners: each sees the curves of the search's other trials.

Optuna's pruners stop a trial or let it go on while it runs: none is paused, so that none has to be resumed. What they
note of a trial follows from its curve, so curves alone bring a search back to where it stood.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

PRUNERS: dict[str, Callable[[int | None], optuna.pruners.BasePruner]] = {
    "median": lambda epochs: optuna.pruners.MedianPruner(),
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(max_resource=epochs or "auto"),
    "asha": lambda epochs: optuna.pruners.SuccessiveHalvingPruner(min_resource=1),
}
"""By name, from the number of epochs. All is as Optuna has it, but that asha knows its shortest rung: Optuna's guess is
made when the first trial is complete, and depends on which that was."""


@dataclass(frozen=True)
class Stop:
    """A trial ends after `epoch` with `value`; `rivals` are those of the other proposals there, by number."""

    epoch: int
    value: float
    rivals: dict[int, float]


@dataclass
class EpochCurve:
    """What is known of the trial of a proposal: values that are to be high by epoch, and where it was stopped."""

    trial: optuna.Trial
    values: dict[int, float] = field(default_factory=dict)
    stop: Stop | None = None
    is_over: bool = False


class CurvePruner:
    """The curves of one search by the number of the proposal. `name` decides the brackets of hyperband."""

    def __init__(self, pruner: str, epochs: int | None, name: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.RandomSampler(seed=0)  # asked for nothing
        self.study = optuna.create_study(
            study_name=name, direction="maximize", sampler=sampler, pruner=PRUNERS[pruner](epochs)
        )
        self.curves: list[EpochCurve] = []

    def report(self, number: int, epoch: int, value: float) -> Stop | None:
        """Why the trial ends after this epoch (from 1) with a `value` that is to be high; None when it goes on.

        One that was stopped there before, and runs again, is so again.
        """
        curve = self._curve(number)
        if curve.is_over or epoch in curve.values:
            return curve.stop if curve.stop and curve.stop.epoch == epoch else None
        if not self._note(curve, epoch, value):
            return None
        rivals = {n: c.values[epoch] for n, c in enumerate(self.curves) if n != number and epoch in c.values}
        curve.stop = Stop(epoch, value, rivals)
        self._end(curve, TrialState.PRUNED)
        return curve.stop

    def finish(self, number: int) -> None:
        """The trial went through all its epochs."""
        curve = self._curve(number)
        if curve.values and not curve.is_over:
            self._end(curve, TrialState.COMPLETE)

    def restore(self, number: int, values: Sequence[float], *, stopped: bool) -> None:
        """The whole curve of a trial that is recorded, its value of each epoch from the first on."""
        curve = self._curve(number)
        for epoch, value in enumerate(values, 1):
            self._note(curve, epoch, value)
        self._end(curve, TrialState.PRUNED if stopped else TrialState.COMPLETE)

    def _curve(self, number: int) -> EpochCurve:
        while len(self.curves) <= number:  # Optuna's number of each is ours: brackets are drawn by it
            self.curves.append(EpochCurve(self.study.ask()))
        return self.curves[number]

    def _note(self, curve: EpochCurve, epoch: int, value: float) -> bool:
        curve.values[epoch] = value
        curve.trial.report(value, epoch)
        return curve.trial.should_prune()

    def _end(self, curve: EpochCurve, state: TrialState) -> None:
        curve.is_over = True
        self.study.tell(curve.trial, 0.0 if state == TrialState.COMPLETE else None, state=state)
