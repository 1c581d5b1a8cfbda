"""Standard output and error that are closed, full, or whose reader went away: never a traceback."""

import os
import sys
from typing import TypeGuard

from evenkeel.study.errors import EXIT_STORAGE


def open_missing_streams() -> None:
    """Give a process something to write to where a stream was closed before it began (`>&-`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def is_of_output(error: Exception) -> TypeGuard[OSError]:
    """Whether an exception came of writing to standard output: that fails once more, in the same way."""
    if not isinstance(error, OSError):
        return False
    try:
        sys.stdout.write(" ")
        sys.stdout.flush()
    except OSError as again:
        return again.errno == error.errno
    return False


def finish_output(code: int) -> int:
    """Write out what is still held back, and return the exit code."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return give_up_output(error, code)
    return code


def give_up_output(error: OSError, code: int) -> int:
    """Print nothing more, since standard output cannot be written, and return the exit code.

    A reader that went away (`evenkeel plan demo | head`) has what it wanted. A full disk is said, and is an exit code
    where the command itself ended well.
    """
    _silence()
    if isinstance(error, BrokenPipeError):
        return code
    sys.stderr.write(f"evenkeel: standard output cannot be written ({error.strerror}); make room there\n")
    return code or EXIT_STORAGE


def _silence() -> None:
    """Let what is still held back vanish: Python itself would complain when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
