"""What the steps of a run work with: options, a display that is told, a runner that runs packs, how it ended."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from evenkeel.study.run.pack_queue import PackQueue
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables.result import State

T = TypeVar("T")
Say = Callable[[str], None]
Fail = Callable[[Exception], None]


class Display(Protocol):
    """What the user sees while a study runs."""

    def say(self, text: str) -> None:
        """Show a line."""
        ...

    def begin(self, total: int, states: Counter[State]) -> None:
        """Show that trials run from now on: so many in all, those of `states` are recorded already.

        It comes again when more trials turn out to be due.
        """
        ...

    def update(self, states: Counter[State], num_new: int) -> None:
        """Show how many trials are recorded in each state, and how many of them this run recorded."""
        ...

    def end(self) -> None:
        """Show that no more trials run."""
        ...


class Runner(Protocol):
    """Where packs run: `SerialRunner` in this process, `RayRunner` on this machine or a cluster."""

    @property
    def workers(self) -> int:
        """How many packs run at the same time. Raises ClusterError where none can."""
        ...

    def __enter__(self) -> "Runner": ...

    def __exit__(self, *_: object) -> None: ...

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What `function` gives where trials run. Raises what it raises."""
        ...

    def call_on_every_node(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """What `function` gives on each node that answers."""
        ...

    def run(self, queue: PackQueue, context: WorkerContext, say: Say, fail: Fail) -> None:
        """Take packs from the queue and give their reports back until it is done.

        `say` and `fail` may be called from any thread: they tell the user, and end the run with an error.
        """
        ...

    def close(self) -> None:
        """Give the workers back."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """What the command line adds to a study file."""

    storage: str | None = None
    tracking_uri: str | None = None
    track_later: bool = False
    track_again: bool = False
    accept_changes: bool = False
    retry_failed: bool = False
    keep_going: bool = False
    python_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """How a run ended: trials by state, how many are new, how many ran and left no record that can be
    read, how many MLflow still lacks; why trials failed, in lines.

    `stopped` by a signal, or since all trials fail for the `same_reason`.
    """

    states: Counter[State]
    num_new: int
    num_untracked: int
    reasons: list[str]
    stopped: bool
    same_reason: str | None
    num_lost: int = 0
