"""Ray Tune runs the packs. The only module that imports ray.

A pack is one Tune trial; a custom searcher hands them out, so that planned and searched packs share one Tune run, and
class trainables with `reuse_actors` keep one process per worker slot. Tune's own restore is not used: what is missing
is read from the ledger.
"""

import logging
import math
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack, redirect_stdout, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from evenkeel.study.errors import EXIT_CLUSTER, ClusterError
from evenkeel.study.records.ledger import TUNE_FOLDER
from evenkeel.study.run.node_monitor import NodeMonitor
from evenkeel.study.run.ray_address import check_reachable
from evenkeel.study.run.supervisor import USUAL_FOLDERS, find_short_folder
from evenkeel.study.run.watchdog import Watchdog, exit_with_message
from evenkeel.study.run.worker import Pack, PackReport, run_pack
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables.resources import usable_cpus
from evenkeel.trainables.result import STATES

if TYPE_CHECKING:  # workers import this module too, and need neither Optuna nor the planner
    from evenkeel.study.run.interfaces import Fail, Say
    from evenkeel.study.run.pack_queue import PackQueue

QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_THRESHOLD_S": "1000000000",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
os.environ.update({key: value for key, value in QUIET_ENVIRONMENT.items() if key not in os.environ})

import ray  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

T = TypeVar("T")
START_LIMIT_S = 180.0
LONGEST_FOLDER = 32
"""Of the 107 bytes that a socket's name may have, our temporary folder takes 11 and Ray's own 64."""
NODE_ANSWER_S = 20
WORKER_DIED = "the worker process died (out of memory, or a lost node)"
GPU_FRACTION_SLACK = 1e-6
"""A third of a GPU goes into one three times."""
NOT_IN_A_NAME, MAX_LABEL_CHARACTERS = re.compile(r"[^\w.-]"), 60
KEPT_TUNE_FOLDER = "tune"
OBJECT_STORE_BYTES = 100 * 1024 * 1024


@cache
def _tune_classes() -> tuple[Any, type, type]:
    """Ray Tune and our two classes for it. Imported late: Ray itself starts meanwhile."""
    from ray import tune
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

        def __init__(self, queue: "PackQueue", context: WorkerContext) -> None:
            super().__init__(metric="pack", mode="max")
            self.queue, self.context = queue, context
            self.packs: dict[str, Pack] = {}

        def __getstate__(self) -> dict[str, Any]:
            """Tune pickles its searcher for a restore that is never used; the queue holds open connections."""
            return {}

        def __deepcopy__(self, memo: object) -> "PackSearcher":
            return self

        def suggest(self, trial_id: str) -> Any:
            if self.queue.done:
                return Searcher.FINISHED
            pack = self.queue.next_pack()
            if pack is None:
                return None
            self.packs[trial_id] = pack
            return {"pack": pack, "context": self.context}

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            pack, report = self.packs.pop(trial_id), (result or {}).get("report", PackReport(error=WORKER_DIED))
            self.queue.finish(pack.number, report)
            for content in (
                pack.trials,
                report.states,
                report.scores,
            ):  # Tune keeps configurations and results for good
                content.clear()

        def save(self, checkpoint_path: str) -> None: ...

        def restore(self, checkpoint_path: str) -> None: ...

        def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None: ...

    return tune, Packs, PackSearcher


class RayRunner:
    """Workers on this machine, or on the cluster at `address`. Ray starts on a thread while the driver gets ready."""

    def __init__(
        self,
        *,
        address: str | None,
        workers: int | None,
        cpus: float,
        gpus: float,
        storage: str,
        custom: dict[str, float] | None = None,
        keep_tune: bool = False,
    ) -> None:
        self.keep_tune = keep_tune
        self.address, self.cpus, self.gpus, self.storage = address, cpus, gpus, storage
        self.num_workers, self.custom = workers, custom or {}
        self.starter, self.quiet = ThreadPoolExecutor(1), ExitStack()
        if (folder := find_short_folder(LONGEST_FOLDER)) is None:
            raise ClusterError(
                f"Ray's sockets need a temporary folder whose path has at most {LONGEST_FOLDER} characters, and "
                f"neither {tempfile.gettempdir()} nor {', '.join(USUAL_FOLDERS)} is one that can be written to; "
                "set TMPDIR"
            )
        self.temporary = tempfile.TemporaryDirectory(prefix="ek", dir=folder, ignore_cleanup_errors=True)

    def __enter__(self) -> "RayRunner":
        nowhere = self.quiet.enter_context(open(os.devnull, "w"))  # for Ray's thirty lines on a node that died
        self.quiet.enter_context(redirect_stdout(nowhere))
        self.started: Future[int] = self.starter.submit(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the workers back; a local Ray ends."""
        self.starter.shutdown(wait=True)
        ray.shutdown()
        self.quiet.close()
        self.temporary.cleanup()

    @property
    def workers(self) -> int:
        """How many worker processes there will be; waits for Ray. Raises ClusterError."""
        return self._wait()

    def _wait(self) -> int:
        try:
            return self.started.result(START_LIMIT_S)
        except FutureTimeout:  # Ray's own call goes on for ever, and the process with it
            place = self.address or "on this machine"
            exit_with_message(f"Ray cluster {place}: did not start within {START_LIMIT_S:g} s; run again", EXIT_CLUSTER)

    def _start(self) -> int:
        check_reachable(self.address)
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        local: dict[str, Any] = {}
        if self.address is None:
            num_cpus = max(self.cpus * self.num_workers if self.num_workers else usable_cpus(), self.cpus)
            local = {
                "num_cpus": math.ceil(num_cpus),
                "object_store_memory": OBJECT_STORE_BYTES,
                "_temp_dir": self.temporary.name,
            }
        try:
            ray.init(
                address=self.address or "local",  # None would join any cluster that happens to run here
                include_dashboard=False if self.address is None else None,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **local,
            )
        except Exception as error:  # Ray raises plain ones, some of many lines
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if self.address is None:
                raise ClusterError(
                    f"Ray cannot be started on this machine ({why}); run again, or give --serial"
                ) from error
            raise ClusterError(
                f"Ray cluster {self.address}: cannot be reached ({why}); check the address, and its token if it wants "
                "one (--address auto finds both on a node of the cluster)"
            ) from error
        return self.num_workers or self._count_slots()

    def _count_slots(self) -> int:
        """How many workers the nodes have room for, each on one node."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        needs = {"CPU": self.cpus, "GPU": self.gpus, **self.custom}
        needed = {name: amount for name, amount in needs.items() if amount}
        slots = sum(
            int(min(node.get(name, 0) / amount + GPU_FRACTION_SLACK for name, amount in needed.items()))
            for node in nodes
        )
        if slots < 1:
            have = {name: sum(node.get(name, 0) for node in nodes) for name in needed}
            raise ClusterError(
                f"no node has room for a worker: it needs {_format_amounts(needed)}, the cluster has "
                f"{_format_amounts(have)} on {len(nodes)} nodes; lower resources.cpus, gpus or custom; when nodes are "
                "still to come, say with --workers how many there will be"
            )
        return slots

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` on a worker, in a process of its own that ends with it."""
        self._wait()
        task = ray.remote(max_calls=1, num_cpus=self.cpus, num_gpus=self.gpus, resources=self.custom, max_retries=0)(
            _return_error
        )
        result, error = ray.get(task.remote(function, *arguments))
        if error is not None:
            raise error
        return result

    def call_on_every_node(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Run `function` once on every node, beside its workers; a node that does not answer soon is left out."""
        task, answers = ray.remote(num_cpus=0, max_retries=0)(function), []
        for node in _list_alive_nodes():
            on_node = NodeAffinitySchedulingStrategy(node, soft=False)
            answers.append(task.options(scheduling_strategy=on_node).remote(*arguments))
        results = []
        for answer in ray.wait(answers, num_returns=len(answers), timeout=NODE_ANSWER_S)[0]:
            with suppress(ray.exceptions.RayError):  # the node died
                results.append(ray.get(answer))
        return results

    def run(self, queue: "PackQueue", context: WorkerContext, say: "Say", fail: "Fail") -> None:
        """Drive the queue until it is done, with one Tune run for everything."""
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(self.workers)
        tune, packs, searcher = _tune_classes()
        folder = self._tune_folder()
        bundle = {"CPU": self.cpus, "GPU": self.gpus, **self.custom}
        tuner = tune.Tuner(
            tune.with_resources(packs, tune.PlacementGroupFactory([bundle])),
            tune_config=tune.TuneConfig(
                search_alg=searcher(queue, context),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=lambda trial: name_pack(trial.config["pack"]),
                trial_dirname_creator=lambda trial: name_pack(trial.config["pack"]),
            ),
            run_config=tune.RunConfig(
                name=time.strftime("%Y-%m-%d-%H%M%S"), storage_path=folder, verbose=0, callbacks=self._loggers()
            ),
        )
        try:
            with (
                Watchdog(ray.get_runtime_context().gcs_address, fail),
                NodeMonitor(_list_alive_nodes, say),
            ):
                tuner.fit()
        finally:
            if "://" not in folder and not self.keep_tune:
                shutil.rmtree(folder, ignore_errors=True)
        if not queue.done:
            raise ClusterError("Ray Tune ended before all packs were run; run the same command again")

    def _loggers(self) -> list[Any]:
        """For each pack a file that TensorBoard reads, and one of JSON, where Tune's files are kept."""
        if not self.keep_tune:
            return []
        from ray.tune.logger import JsonLoggerCallback, TBXLoggerCallback

        return [JsonLoggerCallback(), TBXLoggerCallback()]

    def _tune_folder(self) -> str:
        """Tune's own files (not ours): on one machine a temporary folder, on a cluster one that all nodes see; where
        they are to be kept, a folder beside the records."""
        if self.keep_tune:
            return f"{self.storage}/{KEPT_TUNE_FOLDER}"
        return f"{self.temporary.name}/tune" if self.address is None else f"{self.storage}/{TUNE_FOLDER}"


def name_pack(pack: Pack) -> str:
    """`pack12_ral_seed3`, `pack13_asl+ral_seed3`: what Tune, its files and Ray's dashboard call it."""
    labels = "+".join(sorted({NOT_IN_A_NAME.sub("-", trial.label) for trial in pack.trials}))
    seeds = "+".join(str(seed) for seed in sorted({trial.seed for trial in pack.trials}))
    return f"pack{pack.number}_{labels[:MAX_LABEL_CHARACTERS]}_seed{seeds}"


def _list_alive_nodes() -> dict[str, str]:
    """The addresses of the nodes that are alive, by id."""
    return {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


def _format_amounts(amounts: dict[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in amounts.items())


def _return_error(function: Callable[..., T], *arguments: object) -> tuple[T | None, Exception | None]:
    """Bring an exception back as itself: Ray would wrap it."""
    try:
        return function(*arguments), None
    except Exception as error:
        return None, error


def check_local_cluster() -> str:
    """What `doctor` says of Ray: a local start, timed by nothing but success."""
    with RayRunner(address=None, workers=1, cpus=1, gpus=0, storage="") as runner:
        return f"ray {ray.__version__}, a local cluster of {runner.workers} worker starts"
