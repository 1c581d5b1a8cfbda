"""Trials that take long, under real Ray: a worker killed in mid-trial costs the time since its last checkpoint."""

import subprocess
import sys
import time

import psutil
import pytest
import torch

from evenkeel.study.records.ledger import Ledger

pytestmark = pytest.mark.slow
STUDY = """
name: long
data: {name: digits-mlt}
trainable:
  name: finetune
  backbone: {name: test_resnet}
  image_size: 32
  epochs: 2
  batch: 16
  knobs: {fraction: 0.2}
  deterministic: true
  checkpoint_minutes: 0
losses: [bce]
designs: {sweep: {levels: 2, hyperparameters: []}}
seeds: 1
"""


def start(study, storage, *how):
    command = [sys.executable, "-m", "evenkeel", "run", str(study), "--storage", str(storage), *how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said


def step_of(storage):
    """The step of the only trial's checkpoint, None before the first and after the trial's end."""
    for path in (storage / "working").glob("*/checkpoint.pt"):
        try:
            return torch.load(path, weights_only=True)["progress"]["step"]
        except FileNotFoundError:
            return None
    return None


def wait_for(condition, seconds=240):
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline
        time.sleep(0.02)


def worker_of(driver):
    """The process that trains."""
    found = psutil.Process(driver.pid).children(recursive=True)
    (worker,) = [p for p in found if any("ray::ResourceTrainable" in part for part in p.cmdline())]
    return worker


@pytest.mark.long
def test_a_killed_worker_goes_on_from_its_checkpoint_with_the_same_numbers(tmp_path):
    """SIGKILL: no step is taken again that a checkpoint holds, and every number is that of an undisturbed run."""
    study, whole, cut = tmp_path / "long.yaml", tmp_path / "whole", tmp_path / "cut"
    study.write_text(STUDY)
    finish(start(study, whole, "--serial"))
    driver = start(study, cut, "--workers", "1")
    wait_for(lambda: (step_of(cut) or 0) > 20)
    worker_of(driver).kill()
    reached, seen = step_of(cut), []
    while driver.poll() is None:
        seen.append(step_of(cut))
        time.sleep(0.1)
    finish(driver)
    after = [step for step in seen if step is not None]
    assert reached > 20 and min(after) >= reached and max(after) > reached
    ((one,), (other,)) = (Ledger(str(storage), "long").read_all().values() for storage in (whole, cut))
    assert one.state == other.state == "done" and (one.metrics, one.per_class) == (other.metrics, other.per_class)
    assert one.curves == other.curves and not list((cut / "working").iterdir())
