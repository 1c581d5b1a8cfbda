"""Fixtures shared by the suite: a generator, a small study on real digits, a cache of its features."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.pop("MLFLOW_TRACKING_URI", None)
# Speed is measured in benchmarks/; CI draws the same examples every time, everybody else new ones.
hypothesis.settings.register_profile("busy machine", deadline=None, derandomize="CI" in os.environ, database=None)
hypothesis.settings.load_profile("busy machine")

TINY = """
extends: demo
name: tiny
trainable:
  backbone: {warm_start: null}
  epochs: 3
  batch: 512
losses:
  - bce
  - {loss: apl, fixed: {focusing: full}}
  - {loss: ral, fixed: {focusing: full}}
designs:
  sweep: {levels: 3, hyperparameters: [clip, gamma_neg, hill_lambda]}
  sobol: {m: 1}
  search: {trials: 4, batch: 2, fresh_seeds: 2}
seeds: 2
resources: {pack_size: 16}
"""

WHOLE_MODULES = (
    "test_engine", "test_tracking", "test_publish", "test_finetune", "test_lm_clip", "test_prompt", "test_probe",
    "test_weights", "test_progress_lines", "test_user_metrics", "test_functions", "test_supervisor", "test_long_trials",
)  # fmt: skip
WHOLE_TESTS = (
    "test_what_only_reads_a_study_runs_none_of_its_code", "test_the_preset_of_gradient_norms_ends_on_the_page",
    "test_nothing_that_lies_about_is_run", "test_run_status_report", "run_as_shown", "as_the_page_says",
    "test_a_short_form_of_the_coverage_runs_for_real", "test_the_data_set_of_the_page_runs",
)  # fmt: skip
"""Modules, and tests by a part of their name, that run whole studies or train models: minutes, measured by CPU time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `whole` what `make test-fast` leaves out."""
    for item in items:
        if item.path.stem in WHOLE_MODULES or any(name in item.name for name in WHOLE_TESTS):
            item.add_marker(pytest.mark.whole)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature cache for the session, also for the processes that tests start."""
    cache = Path(os.environ.get("EVENKEEL_TEST_CACHE") or tmp_path_factory.mktemp("cache"))
    os.environ["EVENKEEL_CACHE"] = str(cache)
    return cache


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `tiny`, one for all tests of a module."""
    path = tmp_path_factory.mktemp("study") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A study file: 3 losses, all designs, 2 seeds, a frozen random backbone; seconds to run."""
    path = tmp_path / "a folder, with 'odd' name" / "tiny.yaml"
    path.parent.mkdir()
    path.write_text(TINY)
    return path


class NoTracker:
    """Stands in for MLflow, whose import takes seconds, where a test is not about it."""

    def __enter__(self):
        return self

    def __exit__(self, *_): ...

    def finish(self):
        return 0

    def __getattr__(self, name):
        return lambda *arguments: None


@pytest.fixture
def untracked(monkeypatch):
    """Runs write nothing to MLflow."""
    monkeypatch.setattr("evenkeel.study.run.engine.connect_tracker", lambda *_, **__: NoTracker())
    monkeypatch.setattr("evenkeel.study.run.publish_run.publish_study", lambda *_: None)


@pytest.fixture
def mount_disk():
    """Puts a small disk of its own in place of a folder, where the user may."""

    def mount(folder, size):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "small", folder]
        if os.geteuid() or subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
            pytest.skip("a small disk needs leave to mount")
        mounted.callback(subprocess.run, ["umount", "-l", folder], check=True)
        return folder

    with ExitStack() as mounted:
        yield mount


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """The endpoint of a server that speaks S3, and a bucket on it."""
    import fsspec.config
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    fsspec.config.conf["s3"] = {"key": "k", "secret": "s", "endpoint_url": f"http://{host}:{port}"}
    s3fs.S3FileSystem().mkdir("bucket")
    yield "s3://bucket"
    del fsspec.config.conf["s3"]
    server.stop()


@pytest.fixture(params=["local", "memory", "s3"])
def any_folder(request, tmp_path):
    """A folder of records on a disk, in memory and on an S3 server."""
    from evenkeel.study.records.folder import Folder

    if request.param == "s3":
        return Folder(f"{request.getfixturevalue('s3')}/{tmp_path.name}")
    return Folder(str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}")
