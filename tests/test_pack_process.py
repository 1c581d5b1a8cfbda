"""Packs in a process of their own, without Ray: what a trial does to its process costs that trial alone."""

import json
import os
import time

import pytest

from evenkeel.study.cli import main
from evenkeel.study.errors import EXIT_FAILED_TRIALS
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.pack_process import PackProcess

TRAIN = """
import ctypes, os, signal, sys

def train(seed, how="well"):
    {"stuck": lambda: ctypes.PyDLL(None).sleep(600),  # in C, with the interpreter's lock
     "exits": lambda: os._exit(7), "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
     "interrupts": lambda: signal.raise_signal(signal.SIGINT), "well": lambda: print("trained")}[how]()
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
    return {"val": {"accuracy": 0.5}, "test": {"accuracy": 0.5}}
"""
NOTES = {
    "stuck": "longer than resources.trial_limit, in train.py:5 (<lambda>), and deaf to being interrupted",
    "exits": "the worker process died: exit code 7",
    "killed": "the worker process died: it was sent SIGKILL",
    "interrupts": None,
    "well": None,
}
STUDY = f"""
name: stuck
trainable: {{name: "train.py:train"}}
methods: {json.dumps([{"name": how, "fixed": {"how": how}} for how in NOTES])}
designs: {{sweep: {{levels: 2}}}}
seeds: 1
metric: accuracy
resources: {{trial_limit: 0.5, retries: 0, pack_size: 1}}
"""


@pytest.mark.whole
def test_a_trial_that_never_comes_back_from_c_is_recorded_as_failed_and_the_others_go_on(tmp_path, monkeypatch, capfd):
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "stuck.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "stuck.yaml", "--serial", "--track-later"]) == EXIT_FAILED_TRIALS
    records = Ledger("studies/stuck", "stuck").read_all().values()
    assert {record.trial.label: record.state for record in records} == {
        how: "done" if note is None else "failed" for how, note in NOTES.items()
    }
    for record in records:
        assert (NOTES[record.trial.label] or "") in (record.note or "")
    pids = set((tmp_path / "pids").read_text().split())
    assert str(os.getpid()) not in pids and not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err and "trained" in out


def test_a_process_that_is_in_the_midst_of_something_ends_at_once():
    process = PackProcess()
    started = time.monotonic()
    process.end()
    assert process.process.returncode is not None and time.monotonic() - started < 60
