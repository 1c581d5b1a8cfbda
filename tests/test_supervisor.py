"""Temporary folders of runs: left alone while their run lives, wherever it lives, and removed when it was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evenkeel.study.errors import EXIT_CLUSTER, EXIT_FAULT, EXIT_INTERRUPTED
from evenkeel.study.run.supervisor import FOLDER_PREFIX

SUPERVISED = """
import os, sys, time
from evenkeel.study.run.supervisor import run_supervised

def work():
    print(os.environ["TMPDIR"], flush=True)
    time.sleep(float(sys.argv[1]))
    return 0

sys.exit(run_supervised(work))
"""


def start(seconds: float) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISED, str(seconds)], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_run_in_another_container_keeps_its_folder_until_it_is_killed():
    """The number in its name is that of no process here, as it would be for a container that shares the folder."""
    run = start(600)
    own = Path(run.stdout.readline().strip())
    there = own.rename(own.with_name(f"{FOLDER_PREFIX}99999999-{own.name[-8:]}"))
    assert start(0).wait() == 0 and there.exists()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 60
    while there.exists() and time.monotonic() < deadline:  # its child ends a moment later
        assert start(0).wait() == 0
    assert not there.exists()


def test_a_fatal_signal_is_a_fault_with_its_place():
    words = SUPERVISED.replace("time.sleep(float(sys.argv[1]))", "__import__('ctypes').string_at(0)")
    words = words.replace("(work)", "(work, notes_faults=True)")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", words], env=environment, capture_output=True, text=True)
    assert run.returncode == EXIT_FAULT and run.stderr.count("\n") == 1
    assert "a fault in a library ended the run: segmentation fault, in __init__.py:" in run.stderr


FAULTY = """
import sys
from evenkeel.study import cli

def fail(options):
    {}

cli._execute = fail
sys.argv[1:] = ["run", "demo", "--tracking-uri", "http://ann:s3cret@nowhere"]
cli.entry()
"""


@pytest.mark.parametrize(
    ("ends", "code", "words"),
    [
        ("raise KeyError('getpwuid()')", EXIT_FAULT, "the same command would meet it again"),
        ("raise ConnectionError('the head is gone')", EXIT_CLUSTER, "the same command goes on"),
        ("exec('raise ValueError()', {'__name__': 'ray.core'})", EXIT_CLUSTER, "the same command goes on"),
    ],
)
def test_a_fault_in_a_program_is_not_taken_for_a_clusters(ends, code, words, tmp_path):
    """A Slurm script puts its job back into the queue after the code of a cluster's trouble. One line; the rest of a
    fault lies in a file to send, without passwords."""
    environment = os.environ | {"EVENKEEL_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", FAULTY.format(ends)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == code and words in ended.stderr and len(ended.stderr.splitlines()) == 1
    files = list(tmp_path.glob("faults/*.txt"))
    assert len(files) == (code == EXIT_FAULT) and all(str(file) in ended.stderr for file in files)
    for file in files:
        assert "Traceback" in file.read_text() and "s3cret" not in file.read_text()


STARTING = """
import signal, sys, time
from evenkeel.study.run.supervisor import run_supervised

def work():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray's core does while it starts
    print("starts", flush=True)
    time.sleep(600)

sys.exit(run_supervised(work))
"""


def test_a_run_that_is_stopped_while_ray_starts_was_interrupted():
    """Ray's core then ends the process at a signal, before any handler of ours: that is no trouble of the cluster."""
    run = subprocess.Popen([sys.executable, "-c", STARTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "starts\n"
    run.send_signal(signal.SIGTERM)
    _, words = run.communicate(timeout=60)
    assert run.returncode == EXIT_INTERRUPTED and "stopped; nothing is lost" in words


ENDED_BY_RAY = """
import os, sys
from evenkeel.study.run.native_errors import divert_native_errors
from evenkeel.study.run.supervisor import NATIVE_ERRORS_FILE, run_supervised, supervised_folder

def work():
    divert_native_errors(supervised_folder() / NATIVE_ERRORS_FILE)
    sys.stderr.write("of Python's own\\n")
    os.write(2, sys.argv[1].encode())
    os._exit(1)

sys.exit(run_supervised(work))
"""
OF_RAY = """[2026-11-30 21:16:38,001 I 16944 16944] logging.cc:303: Set ray log level. To 3
[2026-11-30 21:16:39,827 E 16944 17650] rpc_client.h:204: Failed to connect to GCS within 60 seconds. GCS may have been
killed. It's either GCS is terminated by `ray stop` or is killed unexpectedly. The program will terminate.
"""
"""What Ray 2.60 writes from C++."""


@pytest.mark.parametrize(
    ("text", "cause"), [(OF_RAY, "Failed to connect to GCS within 60 seconds"), ("torn off", "exit code 1")]
)
def test_lines_of_rays_core_become_one(text, cause):
    run = subprocess.run([sys.executable, "-c", ENDED_BY_RAY, text], capture_output=True, text=True)
    python, ours = run.stderr.splitlines()
    assert run.returncode == EXIT_CLUSTER and python == "of Python's own"
    assert ours.startswith(f"evenkeel: Ray's core or another library ended the driver ({cause}); a node")


UNFINISHED = """
import sys, threading, time
from evenkeel.study.run.supervisor import run_supervised

def work():
    threading.Thread(target=time.sleep, args=[600]).start()
    print("said", end="")
    return 2

sys.exit(run_supervised(work))
"""


def test_what_still_starts_when_a_run_is_over_is_not_waited_for():
    run = subprocess.run([sys.executable, "-c", UNFINISHED], capture_output=True, text=True, timeout=100)
    assert (run.returncode, run.stdout, run.stderr) == (2, "said", "")
