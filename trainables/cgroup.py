"""What a container or a batch job leaves this process: memory and CPUs as the kernel's control groups limit them.

A limit may be set on this process's own group or on any group above it (Slurm limits the job, not the step), in
version 2 of the interface (`memory.max`, `cpu.max`) or in version 1 (`memory.limit_in_bytes`, `cpu.cfs_quota_us`).
Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. Other systems have none.
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
CONTROL_GROUPS = Path("/proc/self/cgroup")
MACHINE_COUNTS = Path("/proc/vmstat")
UNLIMITED_BYTES = 2**60
"""Version 1 writes "no limit" as the largest number of whole pages below 2**63."""


def memory_left() -> float:
    """Bytes that this process and its neighbours in the group may still take; infinite without a limit."""
    v2 = (_left(group, "memory.max", "memory.current", "inactive_file") for group in _groups(""))
    v1 = (
        _left(group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        for group in _groups("memory")
    )
    return min(*v2, *v1)


def cpu_quota() -> float:
    """CPUs' worth of time that the group may use; infinite without a limit."""
    v2 = (_quota(*_words(group / "cpu.max")[:2]) for group in _groups(""))
    v1 = (_quota(*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")) for group in _groups("cpu"))
    return min(*v2, *v1)


def num_memory_kills() -> int:
    """How many processes the kernel has ended for want of memory, in this group and on the whole machine, so far."""
    v2 = sum(_value(group / "memory.events", "oom_kill") for group in _groups(""))
    v1 = sum(_value(group / "memory.oom_control", "oom_kill") for group in _groups("memory"))
    return v2 + v1 + _value(MACHINE_COUNTS, "oom_kill")


def _left(group: Path, limit: str, usage: str, cached: str) -> float:
    """The limit less what is used; files that the kernel holds in memory only because there is room count as free."""
    allowed = _number(group / limit)
    if allowed >= UNLIMITED_BYTES:
        return math.inf
    used = _number(group / usage)
    droppable = _value(group / "memory.stat", cached)
    return max(0.0, allowed - (0 if math.isinf(used) else used - droppable))


def _quota(quota: str = "max", period: str = "100000") -> float:
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf


def _number(file: Path) -> float:
    words = _words(file)
    return int(words[0]) if words and words[0].isdigit() else math.inf


def _value(file: Path, key: str) -> int:
    """The number behind a key in a file of lines `key number`; 0 where there is none."""
    words = _words(file)
    return int(dict(zip(words[::2], words[1::2], strict=False)).get(key, "0"))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no such group, or another system
        return []


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's group and of all above it; version 2 has one tree, without a controller's name.

    A container may see its own group as the root of the tree and yet be told the path that it has outside; folders
    that are not there say nothing.
    """
    tops = [ROOT / controller] if controller else [ROOT, ROOT / "unified"]
    own = {"/"} | {path for name, path in _memberships() if controller in name.split(",")}
    for top in tops:
        for path in sorted(own):
            inside = PurePosixPath(path.lstrip("/"))
            yield from (top / part for part in dict.fromkeys([inside, *inside.parents]))


def _memberships() -> list[tuple[str, str]]:
    """Controllers and path of each line of /proc/self/cgroup: `4:memory:/docker/1f`, version 2 `0::/docker/1f`."""
    try:
        lines = CONTROL_GROUPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    fields = [line.split(":", 2) for line in lines]
    return [(parts[1], parts[2]) for parts in fields if len(parts) == 3]
