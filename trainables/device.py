"""The machine a trial runs on: its GPU, its free memory, its threads."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.resources import usable_cpus


def gpu_summary() -> str | None:
    """Name and memory of the first GPU, or None without one."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return f"{torch.cuda.device_count()} x {properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def out_of_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text


def check_device(device: str) -> None:
    """Raises TrainableError for a GPU that torch does not see here."""
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainableError(
            f"resources.device: cuda, but torch {torch.__version__} sees no GPU on {socket.gethostname()}; install a "
            "torch made for its driver, or give resources: {device: cpu}"
        )


def share_gpu(fraction: float) -> None:
    """Let this process use only so much of its GPU's memory: neighbours on the GPU do not feel its appetite."""
    torch.cuda.set_per_process_memory_fraction(fraction)


@contextmanager
def all_threads() -> Iterator[None]:
    """For what one process makes while the others wait: every core that this process may use."""
    with threads(usable_cpus()):
        yield


@contextmanager
def threads(num: int) -> Iterator[None]:
    """Compute as a worker with so many CPUs does."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)
