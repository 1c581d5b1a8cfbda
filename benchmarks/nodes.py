"""A Ray cluster of several nodes on this machine: raylets with small object stores, for tests and benchmarks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import psutil
from ray.cluster_utils import Cluster

OBJECT_STORE_BYTES = 80 * 1024 * 1024
SOON_DEAD = {"health_check_period_ms": 500, "health_check_timeout_ms": 3000, "health_check_failure_threshold": 5}
"""A node that is gone is taken for dead after 2.5 s, one that hangs after 15 s (Ray's defaults: 15 s and 50 s)."""


@contextmanager
def cluster(*nodes: dict[str, Any], **head: Any) -> Iterator[Cluster]:
    """A head that takes no trials, and one raylet for each of `nodes` (num_cpus, num_gpus, resources).

    `--address auto` of others on this machine does not find it; its files lie in a folder of its own.
    """
    folder = tempfile.mkdtemp(prefix="ek-")
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": SOON_DEAD, **head}
    with (
        patch.dict(os.environ, RAY_TMPDIR=folder, RAY_USAGE_STATS_ENABLED="0"),
        patch("ray._private.utils.write_ray_address", lambda *_: None),
    ):
        grid = Cluster(initialize_head=True, head_node_args={"object_store_memory": OBJECT_STORE_BYTES, **head})
        try:
            for node in nodes:
                join(grid, **node)
            yield grid
        finally:
            for node in [*grid.worker_nodes, grid.head_node]:
                with suppress(Exception):  # what a fault has killed already
                    node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
            shutil.rmtree(folder, ignore_errors=True)


def join(grid: Cluster, **node: Any) -> Any:
    """A further node."""
    return grid.add_node(object_store_memory=OBJECT_STORE_BYTES, **node)


def kill_head(grid: Cluster) -> None:
    """SIGKILL for the process that knows all nodes."""
    psutil.Process(grid.head_node.all_processes["gcs_server"][0].process.pid).kill()
