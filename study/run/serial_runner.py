"""The trivial runner: packs one after the other in this process. For tests and for debugging."""

from collections.abc import Callable
from typing import TypeVar

from evenkeel.study.run.pack_queue import Feed
from evenkeel.study.run.worker import Context, execute

T = TypeVar("T")


class SerialRunner:
    """Same calls as the Ray runner, without Ray."""

    workers = 1
    fail: Callable[[Exception], None]
    say: Callable[[str], None]

    def __enter__(self) -> "SerialRunner":
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` where trials run."""
        return function(*arguments)

    def everywhere(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Run `function` on every host: this one."""
        return [function(*arguments)]

    def run(self, feed: Feed, context: Context) -> None:
        """Drive the feed until it is over."""
        while not feed.over:
            pack = feed.next()
            if pack is None:
                raise RuntimeError("the feed has nothing to give out, and nothing is flying")
            feed.finished(pack.number, execute(pack, context))
