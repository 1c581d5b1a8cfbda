"""Why a worker process died: memory, a node or a signal is named only where somebody saw so."""

import os
import subprocess
import sys

import pytest

from evenkeel.study.run import death_note
from evenkeel.study.run.death_note import leave_death_note, read_death_note
from evenkeel.study.run.worker_death import describe_death

HEAD = """Failure # 1 (occurred at 2026-11-30_17-36-57)
The actor died unexpectedly before finishing this task.
\tclass_name: with_parameters
\tpid: 123
\tip: 10.0.0.7
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: """
SILENT = f"""{HEAD}Worker unexpectedly exits with a connection error code 2. End of file. Some common causes include:
(1) the process was killed by the OOM killer, (2) ray stop --force was called, or (3) SIGSEGV."""
MEMORY = """The actor died unexpectedly before finishing this task.
The actor is dead because its worker process has died. Worker exit type: NODE_OUT_OF_MEMORY Worker exit detail: Task was
killed due to the node running low on memory."""
NODE = "The actor died because its node has died. Node Id: 00ff\n\tthe actor's node was terminated unexpectedly"
TASK = 'ray::Packs.train()\n  File "x.py", line 1, in step\nValueError: no'
"""What Ray 2.60 says; the words on memory and on nodes are those of its C++ sources."""


@pytest.mark.parametrize(
    ("text", "note", "expected"),
    [
        (SILENT, "", "without a word: it ended itself (os._exit), or somebody sent SIGKILL"),
        (SILENT, "segmentation fault, in a.py:3 (run)", "the worker process died: segmentation fault, in a.py:3 (run)"),
        (f"{HEAD}Worker exits with an exit code 5.", "", "the worker process died: exit code 5"),
        (f"{HEAD}exit code 1. The process receives a SIGTERM.", "", "the worker process died: it was sent SIGTERM"),
        (MEMORY, "", "its node ran low on memory"),
        (NODE, "", "the worker process died: its node was lost"),
        (TASK, "", "ValueError: no"),
        ("", "", "the worker process died; Ray does not say why"),
    ],
)
def test_the_cause_is_what_was_seen(text, note, expected):
    asked = []
    words = describe_death(text, lambda *process: asked.append(process) or note)
    assert expected in words.splitlines()[-1] and asked == ([("10.0.0.7", 123)] if HEAD in text else [])


DYING = """
import ctypes, sys, time
from pathlib import Path
from evenkeel.study.run import death_note
from evenkeel.study.run.time_limit import limit_time

def endless():
    ctypes.PyDLL(None).sleep(60)  # holds the interpreter's lock
    yield

death_note.GRACE_S = 0.2
import evenkeel.study.run.time_limit
evenkeel.study.run.time_limit.GRACE_S = 0.2
with death_note.leave_death_note(Path(sys.argv[1]), True):
    list(limit_time(endless(), 0.1, 0.1)) if sys.argv[2] == "deaf" else ctypes.string_at(0)
"""


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("deaf", "longer than resources.trial_limit, in <string>:8 (endless), and deaf to being interrupted"),
        ("fault", "segmentation fault, in __init__.py:"),
    ],
)
def test_a_process_leaves_word_of_its_death(how, words, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", DYING, str(tmp_path), how], stderr=subprocess.PIPE)
    assert process.wait(60) != 0
    assert read_death_note(str(tmp_path), process.pid).startswith(words)
    assert read_death_note(str(tmp_path), process.pid) == "" and not list(tmp_path.iterdir())


def test_memory_is_named_when_the_kernel_ended_a_process_meanwhile(tmp_path, monkeypatch):
    kills = [3]
    monkeypatch.setattr(death_note, "num_memory_kills", lambda: kills[0])
    with leave_death_note(tmp_path, own_process=True):
        kills[0] = 4
        assert "out of memory" in read_death_note(str(tmp_path), os.getpid())
    with leave_death_note(tmp_path, own_process=True):
        assert read_death_note(str(tmp_path), os.getpid()) == ""
    with leave_death_note(tmp_path, own_process=False):
        assert not list(tmp_path.iterdir())
