"""What the engine works with: options, a display that is told, a runner that runs, and how it ended."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from evenkeel.study.run.pack_queue import Feed
from evenkeel.study.run.worker import Context

T = TypeVar("T")


class Display(Protocol):
    """What the engine tells while it works."""

    def say(self, text: str) -> None: ...

    def begin(self, total: int, recorded: Counter[str]) -> None: ...

    def trial(self, state: str) -> None: ...

    def end(self) -> None: ...


class Runner(Protocol):
    """Where packs run: `SerialRunner` here, `RayRunner` on a cluster."""

    fail: Callable[[Exception], None]
    """Set by the engine: ends the run with an error, from any thread."""
    say: Callable[[str], None]
    """Set by the engine: tells the user, from any thread."""

    @property
    def workers(self) -> int: ...

    def __enter__(self) -> "Runner": ...

    def __exit__(self, *_: object) -> None: ...

    def call(self, function: Callable[..., Any], *arguments: object) -> Any: ...

    def everywhere(self, function: Callable[..., T], *arguments: object) -> list[T]: ...

    def run(self, feed: Feed, context: Context) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Options:
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
class Ended:
    """How a run ended: trials by state, new ones, and trials that MLflow still lacks; why trials failed, in lines.

    `stopped` by a signal, or since all fail for the `same_reason`.
    """

    states: Counter[str]
    num_new: int
    num_untracked: int
    reasons: list[str]
    stopped: bool
    same_reason: str | None
