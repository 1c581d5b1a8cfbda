"""A reader that goes away, a closed stream, a full disk behind standard output: quiet, or one line."""

import os
import subprocess
import sys

import pytest

from evenkeel.study.errors import EXIT_STORAGE

COMMAND = f"{sys.executable} -m evenkeel"


def shell(command):
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)


@pytest.mark.parametrize("command", ["presets --schema", "losses"])
def test_a_reader_that_goes_away_has_what_it_wanted(command):
    """Longer than a pipe holds; by rich and by plain writes."""
    ended = shell(f"{COMMAND} {command} | head -n 1")
    assert ended.returncode == 0 and ended.stderr == "" and len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_quiet(closed):
    ended = shell(f"{COMMAND} presets {closed}")
    assert ended.returncode == 0 and "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
@pytest.mark.parametrize("command", ["presets", "presets --schema"])
def test_a_full_disk_is_one_line(command):
    ended = shell(f"{COMMAND} {command} > /dev/full")
    assert ended.returncode == EXIT_STORAGE and len(ended.stderr.splitlines()) == 1
    assert "standard output cannot be written (No space left on device)" in ended.stderr
