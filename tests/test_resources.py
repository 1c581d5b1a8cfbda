"""What differs between machines: CPUs that may be used, temporary and cache folders."""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import Future

import pytest

from evenkeel.study.run.supervisor import LONGEST_PARENT, short_folder
from evenkeel.trainables import resources
from evenkeel.trainables.cache import default_cache


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cpus_that_are_kept_back_do_not_count(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "QUOTA", tmp_path / "cpu.max")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert resources.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert resources.usable_cpus() == len(before)


@pytest.mark.parametrize(("limit", "cpus"), [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1)])
def test_a_containers_limit_counts(limit, cpus, monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(resources, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert resources.usable_cpus() == cpus


def test_sockets_lie_in_a_folder_with_a_short_name(monkeypatch, tmp_path):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = short_folder(LONGEST_PARENT)
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

    def last_words(text, code):
        raise SystemExit(f"{code}: {text}")

    monkeypatch.setattr(ray_runner, "START_LIMIT_S", 0.01)
    monkeypatch.setattr(ray_runner, "last_words", last_words)
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
