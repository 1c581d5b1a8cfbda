"""Our classes for Ray Tune: a worker slot, the queue in Tune's words, and who reads why a worker died."""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.study.run.death_note import read_death_note
from evenkeel.study.run.pack import Pack, PackReport
from evenkeel.study.run.ray_nodes import call_on_nodes, list_alive_nodes
from evenkeel.study.run.worker import run_pack
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.study.run.worker_death import describe_death
from evenkeel.trainables.result import STATES

if TYPE_CHECKING:  # workers import this module too, and need neither Optuna nor the planner
    from evenkeel.study.run.pack_queue import PackQueue

NOT_IN_A_NAME, MAX_LABEL_CHARACTERS = re.compile(r"[^\w.-]"), 60


@cache
def make_tune_classes() -> tuple[Any, type, type, type]:
    """Ray Tune and our three classes for it. Imported late: Ray itself starts meanwhile."""
    from ray import tune
    from ray.tune.schedulers import FIFOScheduler
    from ray.tune.search import Searcher

    class Packs(tune.Trainable):
        """A worker slot: each Tune trial is one pack, run in one step."""

        def setup(self, config: dict[str, Any]) -> None:
            self.config = config

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.config = new_config
            return True

        def step(self) -> dict[str, Any]:
            pack = self.config["pack"]
            report = run_pack(pack, self.config["context"])
            counts = Counter(report.states.values())
            numbers = {f"trials/{state}": counts[state] for state in STATES}
            return {"pack": pack.number, "report": report, "done": True, "num_trials": len(pack.trials), **numbers}

        def save_checkpoint(self, checkpoint_dir: str) -> None: ...

        def load_checkpoint(self, checkpoint: Any) -> None: ...

    class PackSearcher(Searcher):
        """The queue, in the words of Tune."""

        def __init__(self, queue: "PackQueue", context: WorkerContext, count_workers: Callable[[], int]) -> None:
            super().__init__(metric="pack", mode="max")
            self.queue, self.context, self.count_workers = queue, context, count_workers
            self.last_error = ""
            """What Ray says of the trial that is about to be completed with an error."""
            self.packs: dict[str, Pack] = {}

        def __getstate__(self) -> dict[str, Any]:
            """Tune pickles its searcher for a restore that is never used; the queue holds open connections."""
            return {}

        def __deepcopy__(self, memo: object) -> "PackSearcher":
            return self

        def suggest(self, trial_id: str) -> Any:
            if self.queue.is_full:
                self.queue.workers = max(self.queue.workers, self.count_workers())  # nodes that joined
            pack = self.queue.next_pack()
            if pack is None:
                return Searcher.FINISHED if self.queue.done else None
            self.packs[trial_id] = pack
            return {"pack": pack, "context": self.context}

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            pack, report = self.packs.pop(trial_id), (result or {}).get("report")
            report = report or PackReport(error=describe_death(self.last_error, self.read_note))
            self.queue.finish(pack.number, report)
            for content in (
                pack.trials,
                report.states,
                report.scores,
            ):  # Tune keeps configurations and results for good
                content.clear()

        def read_note(self, address: str, pid: int) -> str:
            """What the process left on the nodes of that address."""
            nodes = [node for node, own in list_alive_nodes().items() if own == address]
            return "".join(call_on_nodes(nodes, read_death_note, self.context.cache, pid))

        def save(self, checkpoint_path: str) -> None: ...

        def restore(self, checkpoint_path: str) -> None: ...

        def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None: ...

    class ErrorReader(FIFOScheduler):
        """Tune asks its scheduler first when a trial ends by an error, and its searcher after it, without the error."""

        def __init__(self, searcher: PackSearcher) -> None:
            super().__init__()
            self.searcher = searcher

        def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
            with suppress(OSError, TypeError):  # Tune's own `get_error` looks where it is copied to later
                self.searcher.last_error = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")

    return tune, Packs, PackSearcher, ErrorReader


def name_pack(pack: Pack) -> str:
    """`pack12_ral_seed3`, `pack13_asl+ral_seed3`: what Tune, its files and Ray's dashboard call it."""
    labels = "+".join(sorted({NOT_IN_A_NAME.sub("-", trial.label) for trial in pack.trials}))
    seeds = "+".join(str(seed) for seed in sorted({trial.seed for trial in pack.trials}))
    return f"pack{pack.number}_{labels[:MAX_LABEL_CHARACTERS]}_seed{seeds}"
