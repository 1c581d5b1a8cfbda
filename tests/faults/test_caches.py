"""A damaged cache is made again, and ends no process."""

import subprocess
import sys

import numpy as np
import pytest

from evenkeel.trainables.cache import made_once

DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "flipped": lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
}


@pytest.fixture(params=DAMAGES)
def damage(request):
    def damaged(path):
        path.write_bytes(DAMAGES[request.param](path.read_bytes()))

    return damaged


def folder(to):
    to.mkdir()
    np.save(to / "a.npy", np.arange(1000))
    (to / "b.json").write_text("[1, 2, 3]")


@pytest.mark.parametrize("name", ["a.npy", "b.json"])
def test_a_damaged_folder_is_made_again(tmp_path, damage, name):
    for _ in range(2):
        made = made_once(tmp_path / "features-1", folder)
        damage(made / name)
    made = made_once(tmp_path / "features-1", folder)
    assert (np.load(made / "a.npy") == np.arange(1000)).all() and (made / "b.json").read_text() == "[1, 2, 3]"


def test_a_file_that_is_gone_or_was_never_noted_is_made_again(tmp_path):
    made = made_once(tmp_path / "f", folder)
    (made / "b.json").unlink()
    assert (made_once(tmp_path / "f", folder) / "b.json").exists()
    (tmp_path / "f.sum").unlink()
    calls = []
    made_once(tmp_path / "f", lambda to: (calls.append(to), folder(to)))
    assert len(calls) == 1


def test_what_is_whole_is_made_once_and_hashed_once(tmp_path, monkeypatch):
    made_once(tmp_path / "f", folder)
    made_once(tmp_path / "f", folder)
    monkeypatch.setattr("evenkeel.trainables.cache._sums", lambda path: pytest.fail("hashed again"))
    made_once(tmp_path / "f", lambda to: pytest.fail("made again"))


def test_a_database_may_change(tmp_path):
    made_once(tmp_path / "a.db", lambda to: to.write_text("tables"), changes=True).write_text("tables and rows")
    assert made_once(tmp_path / "a.db", lambda to: pytest.fail("made again"), changes=True).read_text().endswith("rows")


def test_leftovers_of_killed_makers_go(tmp_path):
    (tmp_path / ".99999.f").mkdir()
    (tmp_path / ".99999.f-journal").touch()
    made_once(tmp_path / "f", folder)
    assert not list(tmp_path.glob(".*"))


KERNEL = """
import torch
from evenkeel.trainables.fused import fuse, path_of
from evenkeel.trainables.losses import Ral
loss = fuse(Ral())
print(path_of(loss), loss(torch.linspace(-3, 3, 24).view(4, 6), torch.eye(4, 6)).tolist())
"""


def test_a_damaged_kernel_ends_no_process(tmp_path, damage, monkeypatch):
    """A library that was cut short is a SIGBUS to whoever loads it."""
    monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path))

    def loss():
        return subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True)

    whole = loss()
    kernels = list((tmp_path / "kernels").glob("*.so"))
    if not kernels:
        pytest.skip("no compiler here")
    for kernel in kernels:
        damage(kernel)
    again = loss()
    assert again.returncode == 0 and again.stdout == whole.stdout, again.stderr
