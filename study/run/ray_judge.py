"""The judge of a search's epochs as an actor of the cluster, whom workers on all nodes ask."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from evenkeel.study.run.ray_nodes import ray
from evenkeel.trainables import TrainableError, Trial

ANSWER_S = 60


class JudgeActor:
    """Holds the judge, who is asked one question at a time."""

    def __init__(self, judge: Any) -> None:
        self.judge = judge

    def ask(self, trial: Trial, epoch: int, scores: Mapping[str, float]) -> tuple[str | None, TrainableError | None]:
        """What the judge says, or raises: Ray would wrap it."""
        try:
            return self.judge.stop_reason(trial, epoch, scores), None
        except TrainableError as error:
            return None, error

    def finish(self, trial: Trial) -> None:
        """A trial went through all its epochs."""
        self.judge.finish(trial)


@dataclass(frozen=True)
class RemoteJudge:
    """Asks the actor `name`. One that is gone or does not answer stops nothing: a trial is never lost by it."""

    name: str
    score: str

    def stop_reason(self, trial: Trial, epoch: int, scores: Mapping[str, float]) -> str | None:
        """Why a trial ends after this epoch; None when it goes on. Raises TrainableError as the judge does."""
        reason, error = self._call("ask", trial, epoch, scores) or (None, None)
        if error:
            raise error
        return reason

    def finish(self, trial: Trial) -> None:
        """A trial went through all its epochs."""
        self._call("finish", trial)

    def _call(self, method: str, *arguments: object) -> Any:
        with suppress(ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError, ValueError):  # ValueError: no actor
            actor = ray.get_actor(self.name)
            return ray.get(getattr(actor, method).remote(*arguments), timeout=ANSWER_S)
        return None


@contextmanager
def as_actor(judge: Any, name: str) -> Iterator[RemoteJudge | None]:
    """A SearchJudge as an actor of that name, while this lasts; None for None."""
    if judge is None:
        yield None
        return
    actor: Any = ray.remote(JudgeActor).options(name=name, num_cpus=0).remote(judge)
    try:
        yield RemoteJudge(name, judge.score)
    finally:
        ray.kill(actor)
