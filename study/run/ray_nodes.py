"""Ray, told to be quiet before it is imported, and its nodes."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_WARN_THRESHOLD_S": "1000000000",  # read when Tune is imported
}
QUIET_TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
os.environ.update({key: value for key, value in QUIET_ENVIRONMENT.items() if key not in os.environ})

import ray  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

__all__ = ["call_on_nodes", "list_alive_nodes", "quiet_tune", "ray"]

T = TypeVar("T")
NODE_ANSWER_S = 20


@contextmanager
def quiet_tune(**more: str) -> Iterator[None]:
    """Tune as a run wants it, and `more`; what the user set stays, and a sweep of the user's afterwards has its own."""
    values = {key: value for key, value in (QUIET_TUNE | more).items() if key not in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for key in values:
            os.environ.pop(key, None)


def list_alive_nodes() -> dict[str, str]:
    """The addresses of the nodes that are alive, by id."""
    return {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


def call_on_nodes(nodes: Iterable[str], function: Callable[..., T], *arguments: object) -> list[T]:
    """Run `function` once on each of these nodes; one that does not answer soon is left out."""
    task, answers = ray.remote(num_cpus=0, max_retries=0)(function), []
    for node in nodes:
        on_node = NodeAffinitySchedulingStrategy(node, soft=False)
        answers.append(task.options(scheduling_strategy=on_node).remote(*arguments))
    results = []
    for answer in ray.wait(answers, num_returns=len(answers), timeout=NODE_ANSWER_S)[0] if answers else []:
        with suppress(ray.exceptions.RayError):  # the node died
            results.append(ray.get(answer))
    return results
