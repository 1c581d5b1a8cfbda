"""What a trainable's worker, and what it prepares, must be: asked where they are first used, one line if not."""

from typing import Any

from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.result_contract import TRAINABLE_PAGE

METHODS = ("prepare", "bytes_per_trial", "run")


def check_worker(name: str, worker: Any) -> None:
    """Raises TrainableError for a worker of the trainable `name` that lacks a method."""
    if lacking := [method for method in METHODS if not callable(getattr(worker, method, None))]:
        raise TrainableError(
            f"trainable: {name}: worker() must give what has {', '.join(METHODS)}; {_kind(worker)} has no {lacking[0]} "
            f"(see {TRAINABLE_PAGE})"
        )


def read_description(name: str, prepared: Any, seeds: list[int]) -> SplitFacts:
    """The facts of the data that the trainable `name` has prepared. Raises TrainableError where there are none."""
    if not callable(getattr(prepared, "describe", None)):
        raise TrainableError(
            f"trainable: {name}: prepare() must give what has describe(seeds), got {_kind(prepared)} "
            f"(see {TRAINABLE_PAGE})"
        )
    facts = prepared.describe(seeds)
    if not isinstance(facts, SplitFacts):
        raise TrainableError(
            f"trainable: {name}: describe() must give SplitFacts, got {_kind(facts)} (see {TRAINABLE_PAGE})"
        )
    return facts


def _kind(value: object) -> str:
    return type(value).__name__
