"""What a host does now: the packs of its workers, what they make first, and how busy its GPUs are."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from evenkeel.trainables.progress import being_made, said_by

GPU_LIMIT_S = 5
GPUS = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"]
MIB_PER_GIB = 1024


@dataclass(frozen=True)
class HostStatus:
    """Its name, the numbers of the packs that run there, a few words on each GPU and on what is being made.

    `trials` are what the trials of these packs say of themselves.
    """

    name: str
    packs: list[int] = field(default_factory=list)
    gpus: list[str] = field(default_factory=list)
    making: list[str] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)


@contextmanager
def mark_pack_running(cache: Path, storage: str, pack: int) -> Iterator[None]:
    """While this process runs a pack, other processes of its host can read so."""
    file = cache / f"pack-{socket.gethostname()}-{os.getpid()}.txt"
    with suppress(OSError):
        file.write_text(f"{storage}\n{pack}", encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def read_host_status(cache: str, storage: str) -> HostStatus:
    """This host, with the packs of one study."""
    name, packs, trials = socket.gethostname(), [], []
    for file in sorted(Path(cache).glob(f"pack-{name}-*.txt")):
        with suppress(OSError, ValueError):
            pid = int(file.stem.rpartition("-")[2])
            if not psutil.pid_exists(pid):
                file.unlink()
                continue
            location, number = file.read_text(encoding="utf-8").split("\n")
            if location == storage:
                packs.append(int(number))
                trials.append(said_by(Path(cache), pid))
    return HostStatus(name, packs, _gpus(), being_made(Path(cache)), list(filter(None, trials)))


def _gpus() -> list[str]:
    """`GPU 0 97 %, 12.0 of 80 GiB`, as its driver says."""
    try:
        answer = subprocess.run(GPUS, capture_output=True, text=True, timeout=GPU_LIMIT_S, check=True).stdout
        rows = [[float(word) for word in line.split(",")] for line in answer.splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError):  # no GPU, or one that does not say
        return []
    return [
        f"GPU {number} {busy:.0f} %, {used / MIB_PER_GIB:.1f} of {total / MIB_PER_GIB:.0f} GiB"
        for number, (busy, used, total) in enumerate(rows)
    ]
