"""Judges the epochs of a study's searches: holds the curves of each, asks Optuna's pruner, says why a trial ends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evenkeel.trainables import TrainableError, Trial

if TYPE_CHECKING:  # Optuna is imported by whoever judges, not by those who ask
    from evenkeel.search_spaces.optuna_pruning import CurvePruner, Stop

MAX_RIVALS = 100
"""So many of the others' values does a reason name."""


@dataclass(frozen=True)
class EndedCurve:
    """A search's trial that is recorded: its values by epoch (None where not finite), and whether it was stopped."""

    trial: Trial
    values: list[float | None]
    stopped: bool


@dataclass
class SearchJudge:
    """Judges by `score`, a validation curve that is to be high, or low where `sign` is -1; see `EpochJudge`.

    `epochs` are those of a whole trial, None where that is not known; `ended` the curves of recorded trials, in the
    order in which they ended.
    """

    pruner: str
    score: str
    sign: int
    epochs: int | None
    ended: list[EndedCurve] = field(default_factory=list)
    searches: "dict[str, CurvePruner]" = field(default_factory=dict)

    def stop_reason(self, trial: Trial, epoch: int, scores: Mapping[str, float]) -> str | None:
        """Why a trial ends after this epoch; None when it goes on. Raises TrainableError where the score is missing."""
        if self.score not in scores:
            reported = ", ".join(scores) or "nothing"
            raise TrainableError(
                f"designs.search.pruner: looks at {self.score}, and report(epoch={epoch}, ...) was given {reported}; "
                f"report {self.score} each epoch, or leave the pruner out"
            )
        stop = self._search_of(trial).report(_number(trial), epoch, self.sign * scores[self.score])
        return self._describe(stop) if stop else None

    def finish(self, trial: Trial) -> None:
        """A trial went through all its epochs."""
        self._search_of(trial).finish(_number(trial))

    def _search_of(self, trial: Trial) -> "CurvePruner":
        for curve in self._take_ended():
            values = [math.nan if value is None else self.sign * value for value in curve.values]
            self._pruner_of(curve.trial).restore(_number(curve.trial), values, stopped=curve.stopped)
        return self._pruner_of(trial)

    def _take_ended(self) -> list[EndedCurve]:
        ended, self.ended = self.ended, []
        return ended

    def _pruner_of(self, trial: Trial) -> "CurvePruner":
        from evenkeel.search_spaces.optuna_pruning import CurvePruner

        name = f"{trial.loss} {trial.group}"
        if name not in self.searches:
            self.searches[name] = CurvePruner(self.pruner, self.epochs, name)
        return self.searches[name]

    def _describe(self, stop: "Stop") -> str:
        rivals = sorted(stop.rivals.items())[:MAX_RIVALS]
        values = ", ".join(f"{number}: {self.sign * value:.4g}" for number, value in rivals)
        value = self.sign * stop.value
        return f"stopped by {self.pruner} after epoch {stop.epoch}: {self.score} {value:.4g}; proposals had {values}"


def _number(trial: Trial) -> int:
    assert trial.proposal is not None
    return trial.proposal
