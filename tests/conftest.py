"""Fixtures shared by the suite: a generator, a small study on real digits, a cache of its features."""

import os
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
