"""What this process may use of the machine; needs no torch."""

import math
import os
from contextlib import suppress
from pathlib import Path

from evenkeel.trainables.cgroup import cpu_quota, memory_left

CPU_SHARE, GPU_SHARE = 0.5, 0.8


def usable_cpus() -> int:
    """CPUs that this process may run on: not those that a batch system, `taskset` or a container's limit keeps back."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, math.ceil(min(cpu_quota(), affinity))))


def user_name() -> str:
    """Who runs this process; the number of a user whom the system knows by no name (OpenShift, Apptainer)."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return str(os.getuid())


def spare_bytes(device: str) -> float:
    """Memory in bytes that one worker may plan with: a share of what is free now, on its GPU or on the machine, where
    the limit of a container or of a batch job counts too."""
    if device == "cpu":
        import psutil

        return CPU_SHARE * min(psutil.virtual_memory().available, memory_left())
    import torch

    return GPU_SHARE * torch.cuda.mem_get_info()[0]


class MemoryUse:
    """The most memory that this process takes from now on, beyond what it has now."""

    def __init__(self, device: str) -> None:
        self.on_gpu = device != "cpu"
        if self.on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            with suppress(OSError):  # where there is no such file the peak is that of the whole process
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.before = self._now("VmRSS")

    def peak(self) -> int:
        """In bytes; 0 where nobody tells."""
        return max(0, self._now("VmHWM") - self.before)

    def _now(self, key: str) -> int:
        if self.on_gpu:
            import torch

            return torch.cuda.max_memory_allocated() if key == "VmHWM" else torch.cuda.memory_allocated()
        try:
            lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return 0
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
