"""The trivial runner: packs one after the other in this process. For tests and for debugging."""

from collections.abc import Callable

from evenkeel.study.run.interfaces import Fail, Say, T
from evenkeel.study.run.pack_queue import PackQueue
from evenkeel.study.run.worker import Pack, PackReport, run_pack
from evenkeel.study.run.worker_context import WorkerContext


class SerialRunner:
    """Same calls as the Ray runner, without Ray."""

    workers = 1

    def __enter__(self) -> "SerialRunner":
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` where trials run."""
        return function(*arguments)

    def call_on_every_node(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Run `function` on every host: this one."""
        return [function(*arguments)]

    def run(self, queue: PackQueue, context: WorkerContext, say: Say, fail: Fail) -> None:
        """Drive the queue until it is done."""
        while pack := queue.next_pack():
            queue.finish(pack.number, self.run_pack(pack, context))

    def run_pack(self, pack: Pack, context: WorkerContext) -> PackReport:
        """Train a pack and record its trials."""
        return run_pack(pack, context)
