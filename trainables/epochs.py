"""Whether a trial ends before its last epoch: asked by trainables that report epochs, at the end of each.

Only a search's own trials may end early. What their curves are held against is the judge's affair; where nobody judges,
every trial goes on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from evenkeel.trainables.trial import Trial


class EpochJudge(Protocol):
    """Who has seen the curves of a search's other trials."""

    def stop_reason(self, trial: Trial, epoch: int, scores: Mapping[str, float]) -> str | None:
        """Why a trial ends after this epoch (from 1), in words; None when it goes on. `scores` are by `val_<metric>`.

        Raises TrainableError where the score that it judges by is missing.
        """
        ...


class TrialStopped(BaseException):
    """Raised into a training function that reports an epoch; no `except Exception` of a user's code swallows it."""


_current: list[EpochJudge] = []


@contextmanager
def judged_by(judge: EpochJudge | None) -> Iterator[None]:
    """While this lasts, trials of a search are judged so, in every thread of the process."""
    if judge is None:
        yield
        return
    _current.append(judge)
    try:
        yield
    finally:
        _current.remove(judge)


def stop_reason(trial: Trial, epoch: int, scores: Mapping[str, float]) -> str | None:
    """Why a trial ends after this epoch, which is not its last; None when it goes on."""
    if trial.design != "search" or not _current:
        return None
    return _current[-1].stop_reason(trial, epoch, scores)
