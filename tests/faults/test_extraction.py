"""Features and embeddings are made in parts: whoever is killed loses a part, and the end is the same to the byte."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evenkeel.trainables import TrainableError
from evenkeel.trainables.cache import made_once
from evenkeel.trainables.cached_rows import write_rows
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.loop.checkpoint import Checkpoints
from evenkeel.trainables.study_shares import content_hash

pytestmark = pytest.mark.slow
NUM_IMAGES, BATCH, NUM_KILLS = 200, 8, 5
NUM_PARTS = NUM_IMAGES // BATCH + 2 * 5 + 1
"""Batches of features, two epochs of a warm start, and two images that tell how wide its head is."""


@dataclass(frozen=True)
class Noise:
    """A data set of random pixels."""

    name: str = "noise"
    validation: Validation | None = None

    def fingerprint(self):
        return "noise"

    def identity(self):
        return {"name": self.name}

    def load(self, image_size, cache):
        pixels = np.random.default_rng(0).integers(0, 255, (NUM_IMAGES, image_size, image_size, 3), dtype=np.uint8)
        targets = np.eye(3, dtype=np.uint8)[np.arange(NUM_IMAGES) % 3]
        split = np.repeat(np.arange(3, dtype=np.uint8), [160, 20, 20])
        return ImageSet(pixels, targets, split, None, ["a", "b", "c"])


def make(cache: Path) -> Path:
    """The features, in small parts; each that is begun is put down in `parts.txt`."""
    from evenkeel.trainables import cached_rows
    from evenkeel.trainables.loop.checkpoint import Checkpoints
    from evenkeel.trainables.models import build
    from evenkeel.trainables.probe.features import FeatureStore
    from evenkeel.trainables.probe.settings import Probe

    pixels = build.ImageModel.pixels

    def noted(model, stored):
        with (cache / "parts.txt").open("a") as file:
            file.write("part\n")
        return pixels(model, stored)

    build.ENCODER_BATCH, cached_rows.SETTLED_EVERY_S = BATCH, 0
    build.ImageModel.pixels, Checkpoints.due = noted, True
    backbone = {"name": "test_resnet", "warm_start": {"epochs": 2, "batch": 32}}
    probe = Probe.model_validate({"backbone": backbone, "image_size": 32})
    return FeatureStore(probe, Noise(), cache).of_seed(0).folder


def begun(cache: Path) -> int:
    """A process of its own that makes them: its number. Imports are done before, so that it works at once."""
    cache.mkdir(exist_ok=True)
    if pid := os.fork():
        return pid
    with suppress(BaseException):
        make(cache)
        os._exit(0)
    os._exit(1)


def ended(pid: int) -> bool:
    """Whether it ended by itself, and well."""
    return os.waitpid(pid, 0)[1] == 0


def kill_loop(folder: Path) -> None:
    """In one go; killed at moments that a seed draws; two at once."""
    import evenkeel.trainables.models.frozen  # noqa: F401
    from evenkeel.trainables.models.torchvision_pair import import_torchvision

    import_torchvision()
    import timm  # noqa: F401

    started = time.monotonic()
    assert ended(begun(folder / "whole"))
    took, draw = time.monotonic() - started, random.Random(0)
    for _ in range(NUM_KILLS):
        pid = begun(folder / "killed")
        time.sleep(draw.uniform(0, 0.4 * took))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert ended(begun(folder / "killed"))
    assert [ended(pid) for pid in (begun(folder / "both"), begun(folder / "both"))] == [True, True]


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extraction")
    command = f"from pathlib import Path; from {__name__} import kill_loop; kill_loop(Path({str(folder)!r}))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)
    return folder


@pytest.mark.parametrize(("name", "num_again"), [("whole", 0), ("killed", 2 * NUM_KILLS), ("both", 0)])
def test_the_same_bytes_and_no_part_twice(caches, name, num_again):
    """But for the part in which a process was killed, and the two images that each of a warm start looks at."""
    (features,) = (folder for folder in (caches / name).glob("features-*") if folder.is_dir())
    (undisturbed,) = (folder for folder in (caches / "whole").glob("features-*") if folder.is_dir())
    assert content_hash(features) == content_hash(undisturbed)
    num_parts = len((caches / name / "parts.txt").read_text().splitlines())
    assert NUM_PARTS <= num_parts <= NUM_PARTS + num_again
    assert not list((caches / name).glob("*.part"))


def test_rows_are_written_as_numpy_writes_them(tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    write_rows(tmp_path / "a.npy", 7, lambda start: iter(np.split(rows, [3, 5])), tmp_path, "rows")
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


class TestFull:
    """A disk without room is an error of one line, and nothing is left behind."""

    @pytest.fixture
    def small(self, tmp_path, mount_disk):
        return mount_disk(tmp_path, "256k")

    @staticmethod
    def rows(path):
        batch = np.zeros((100, 100), np.float32)
        write_rows(path, 1000, lambda start: (batch for _ in range(start, 1000, 100)), path.parent, "rows")

    def test_is_said_before_the_first_row(self, small):
        with pytest.raises(TrainableError, match="1,000 rows of 100 features take 0.00 GB, .* free some, or set EVENK"):
            made_once(small / "a.npy", self.rows, resumes=True)
        assert {path.name for path in small.iterdir()} <= {"a.npy.lock"}

    @pytest.mark.parametrize("what", ["rows", "training"])
    def test_or_while_it_is_written(self, what, small, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
        state = {"weights": torch.zeros(10**5)}
        make = self.rows if what == "rows" else lambda path: Checkpoints(path.parent, 1.0).save(state)
        with pytest.raises(OSError, match="No space left"):
            made_once(small / "a.npy", make, resumes=True)
        assert {path.name for path in small.iterdir()} <= {"a.npy.lock"}
