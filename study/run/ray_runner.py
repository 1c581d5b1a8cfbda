"""Ray Tune runs the packs. Only here is Ray started and ended.

A pack is one Tune trial; a custom searcher hands them out, so that planned and searched packs share one Tune run, and
class trainables with `reuse_actors` keep one process per worker slot. Tune's own restore is not used: what is missing
is read from the ledger.
"""

import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from evenkeel.study.errors import EXIT_CLUSTER, ClusterError
from evenkeel.study.records.ledger import TUNE_FOLDER
from evenkeel.study.run.native_errors import divert_native_errors
from evenkeel.study.run.node_monitor import NodeMonitor
from evenkeel.study.run.ray_address import check_reachable
from evenkeel.study.run.ray_judge import as_actor
from evenkeel.study.run.ray_nodes import call_on_nodes, list_alive_nodes, quiet_tune, ray
from evenkeel.study.run.supervisor import NATIVE_ERRORS_FILE, USUAL_FOLDERS, find_short_folder, supervised_folder
from evenkeel.study.run.tune_classes import make_tune_classes, name_pack
from evenkeel.study.run.watchdog import Watchdog, exit_with_message
from evenkeel.study.run.worker_context import WorkerContext
from evenkeel.trainables.resources import usable_cpus

if TYPE_CHECKING:  # workers import this module too, and need neither Optuna nor the planner
    from evenkeel.study.run.interfaces import Fail, Say
    from evenkeel.study.run.pack_queue import PackQueue

T = TypeVar("T")
JUDGE_NAME = "evenkeel-judge"
START_LIMIT_S = 180.0
LONGEST_FOLDER = 32
"""Of the 107 bytes that a socket's name may have, our temporary folder takes 11 and Ray's own 64."""
GPU_FRACTION_SLACK = 1e-6
"""A third of a GPU goes into one three times."""
KEPT_TUNE_FOLDER = "tune"
OBJECT_STORE_BYTES = 100 * 1024 * 1024


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
        if folder := supervised_folder():
            divert_native_errors(folder / NATIVE_ERRORS_FILE)
        self.started: Future[int] = self.starter.submit(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the workers back; a local Ray ends. One that still starts ends with the process, where that ends now."""
        if self.started.done() or not supervised_folder():
            wait([self.started])
            ray.shutdown()
            self.starter.shutdown()  # not before: the kernel ends Ray's processes with the thread that started them
            self.temporary.cleanup()
        self.quiet.close()

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
        return self.num_workers or self._require_slots()

    def _require_slots(self) -> int:
        if slots := self._count_slots():
            return slots
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        have = {name: sum(node.get(name, 0) for node in nodes) for name in self._needs()}
        raise ClusterError(
            f"no node has room for a worker: it needs {_format_amounts(self._needs())}, the cluster has "
            f"{_format_amounts(have)} on {len(nodes)} nodes; lower resources.cpus, gpus or custom; when nodes are "
            "still to come, say with --workers how many there will be"
        )

    def _count_slots(self) -> int:
        """How many workers the nodes have room for, each on one node."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return sum(
            int(min(node.get(name, 0) / amount + GPU_FRACTION_SLACK for name, amount in self._needs().items()))
            for node in nodes
        )

    def _needs(self) -> dict[str, float]:
        needs = {"CPU": self.cpus, "GPU": self.gpus, **self.custom}
        return {name: amount for name, amount in needs.items() if amount}

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
        return call_on_nodes(list_alive_nodes(), function, *arguments)

    def run(self, queue: "PackQueue", context: WorkerContext, say: "Say", fail: "Fail") -> None:
        """Drive the queue until it is done, with one Tune run for everything."""
        workers = str(self.workers)
        with quiet_tune(TUNE_MAX_PENDING_TRIALS_PG=workers), as_actor(context.judge, JUDGE_NAME) as judge:
            self._tune(queue, replace(context, own_process=True, judge=judge), say, fail)

    def _tune(self, queue: "PackQueue", context: WorkerContext, say: "Say", fail: "Fail") -> None:
        tune, packs, make_searcher, make_scheduler = make_tune_classes()
        searcher = make_searcher(queue, context, self._count_slots)
        folder = self._tune_folder()
        bundle = {"CPU": self.cpus, "GPU": self.gpus, **self.custom}
        tuner = tune.Tuner(
            tune.with_resources(packs, tune.PlacementGroupFactory([bundle])),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=make_scheduler(searcher),
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
                NodeMonitor(list_alive_nodes, say),
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
