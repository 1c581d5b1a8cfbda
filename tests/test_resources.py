"""What differs between machines: CPUs that may be used, temporary and cache folders."""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import Future
from types import SimpleNamespace

import psutil
import pytest

from evenkeel.study.run.supervisor import LONGEST_PARENT, find_short_folder
from evenkeel.trainables import cgroup, resources
from evenkeel.trainables.cache import default_cache

GIB = 2**30


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Control groups as the kernel shows them: `groups(own="0::/a/b", **{"a/memory.max": 7})`; 8 CPUs, 24 GiB free."""

    def given(own="0::/", files=()):
        (tmp_path / "own").write_text(own)
        for name, content in dict(files).items():
            (file := tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")

    monkeypatch.setattr(cgroup, "ROOT", tmp_path / "fs")
    monkeypatch.setattr(cgroup, "CONTROL_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=24 * GIB))
    return given


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cpus_that_are_kept_back_do_not_count(monkeypatch, tmp_path):
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert resources.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert resources.usable_cpus() == len(before)


@pytest.mark.parametrize(
    ("own", "files", "cpus"),
    [
        ("", {}, 8),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "20000 100000"}, 1),
        ("0::/slurm/job_7/step_0", {"slurm/job_7/cpu.max": "300000 100000", "slurm/cpu.max": "max 100000"}, 3),
        ("3:cpu,cpuacct:/docker/1f", {"cpu/cpu.cfs_quota_us": 250000, "cpu/cpu.cfs_period_us": 100000}, 3),
        ("3:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": -1, "cpu/cpu.cfs_period_us": 100000}, 8),
    ],
)
def test_a_containers_share_of_the_cpus_counts(own, files, cpus, groups):
    groups(own, files)
    assert resources.usable_cpus() == cpus


@pytest.mark.parametrize(
    ("own", "files", "left_gib"),
    [
        ("", {}, 24),
        ("0::/", {"memory.max": "max"}, 24),
        ("0::/", {"memory.max": 2 * GIB, "memory.current": GIB // 2}, 1.5),
        ("0::/", {"memory.max": 2 * GIB, "memory.current": GIB, "memory.stat": f"anon 5\ninactive_file {GIB}"}, 2),
        ("0::/", {"memory.max": GIB, "memory.current": 2 * GIB}, 0),
        ("0::/slurm/job_7/step_0", {"slurm/job_7/memory.max": 4 * GIB, "slurm/job_7/memory.current": GIB}, 3),
        ("4:memory:/docker/1f", {"memory/memory.limit_in_bytes": GIB, "memory/memory.usage_in_bytes": 0}, 1),
        ("4:memory:/a", {"memory/a/memory.limit_in_bytes": GIB, "memory/memory.limit_in_bytes": 2**63 - 4096}, 1),
        ("4:memory:/", {"memory/memory.limit_in_bytes": 2**63 - 4096, "memory/memory.usage_in_bytes": 9}, 24),
        ("4:memory:/\n0::/", {"unified/memory.max": 3 * GIB, "unified/memory.current": 0}, 3),
    ],
)
def test_half_of_the_memory_that_a_container_has_left_is_planned_with(own, files, left_gib, groups):
    groups(own, files)
    assert resources.spare_bytes("cpu") == left_gib * GIB / 2


def test_a_user_without_a_name_is_known_by_number(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    assert resources.user_name() == "123456"


def test_sockets_lie_in_a_folder_with_a_short_name(monkeypatch, tmp_path):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = find_short_folder(LONGEST_PARENT)
    assert folder and len(folder) <= LONGEST_PARENT and os.access(folder, os.W_OK)


def test_the_cache_is_a_whole_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_CACHE", "cache")
    assert default_cache() == str(tmp_path / "cache")
    monkeypatch.delenv("EVENKEEL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert default_cache() == str(tmp_path / ".cache" / "evenkeel")


def test_a_cluster_that_never_starts_ends_the_run(monkeypatch):
    from evenkeel.study.run import ray_runner

    def exit_with_message(text, code):
        raise SystemExit(f"{code}: {text}")

    monkeypatch.setattr(ray_runner, "START_LIMIT_S", 0.01)
    monkeypatch.setattr(ray_runner, "exit_with_message", exit_with_message)
    runner = ray_runner.RayRunner(address="auto", workers=None, cpus=1, gpus=0, storage="")
    runner.started = Future()
    for ask in (lambda: runner.workers, lambda: runner.call(print)):
        with pytest.raises(SystemExit, match="3: Ray cluster auto: did not start within 0.01 s; run again"):
            ask()
    runner.temporary.cleanup()


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_told_otherwise(given, policy):
    """It is read when torch comes, so it must be there before."""
    code = "import evenkeel.trainables, os, sys; print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"
    clean = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    said = subprocess.run([sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", policy]
