"""The contract of a trainable: settings that say what they decide, and a worker that trains packs of trials."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.measures import ALWAYS, Needs
from evenkeel.trainables.result import Result
from evenkeel.trainables.trial import Trial


class Prepared(Protocol):
    """What all trials of a study share on a node: decoded images, features, a loaded model."""

    def describe(self, seeds: list[int]) -> SplitFacts:
        """The facts of the data as the study splits it: classes, rows by split, class groups, undefined classes.

        Raises TrainableError for what would make trials fail later.
        """
        ...


@runtime_checkable
class Shares(Protocol):
    """What is prepared and was computed, so that another machine might have made it otherwise."""

    def shared_hash(self, seed: int) -> str:
        """The content hash of what trials of `seed` start from; empty where nothing was computed."""
        ...


P = TypeVar("P", bound=Prepared)


class Worker(Protocol[P]):
    """The half of a trainable that computes; importing it may import torch."""

    def prepare(self, data: DataSet, cache: Path, device: str) -> P:
        """What trials share, made once a node and found by other processes. Raises TrainableError."""
        ...

    def bytes_per_trial(self, prepared: P) -> int:
        """A rough upper bound of the memory, in bytes, that one more trial adds to a pack."""
        ...

    def run(self, trials: list[Trial], prepared: P, place: Path) -> Iterator[tuple[Trial, Result]]:
        """Train and evaluate trials that share data, settings and seed; results as they end, in any order.

        `place` is a folder for checkpoints and large files. A non-finite loss is the state `diverged`; whatever is
        raised means that the trials without a result failed. Numbers do not depend on the pack.
        """
        ...


class Trainable(Protocol):
    """Settings as a study file writes them; a frozen model that imports no torch."""

    gives: ClassVar[tuple[Needs, ...]]
    """What measures may need of its trials."""

    @property
    def name(self) -> str: ...

    def identity(self, data: DataSet) -> dict[str, Any]:
        """What decides a result on `data`, as part of a trial's id: settings and content hashes, never paths.

        Raises TrainableError for a file that is not there.
        """
        ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        """All settings, as pydantic gives them."""
        ...

    def summary(self) -> dict[str, str]:
        """Words for the header of a report, in order: what was trained and how."""
        ...

    def prepared(self, data: DataSet, cache: Path) -> Prepared | None:
        """What `Worker.prepare` would give, if it would find it made; None if it would have to make it.

        A driver asks for the facts of the data there: what it need not import, a run need not wait for.
        """
        ...

    def worker(self, measures: tuple[str, ...] = ALWAYS) -> Worker[Any]:
        """The computing half, which takes these `measures` of each trial; imports torch here and nowhere earlier."""
        ...
