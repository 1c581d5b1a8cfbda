"""What compiled libraries write straight to file number 2: kept from the terminal, and asked why a process ended.

Ray's core ends a process from C++, with lines of its own, when its head does not answer or at a signal.
"""

import os
import re
import sys
from pathlib import Path

ENDING = re.compile(r"^\[.*? [EFC] \d+ \d+\] [\w./]+:\d+: +(.*?)(?:\. |\.?$)", re.MULTILINE)
"""A line of Ray's log (2.60), an error or worse: its first sentence."""
MAX_CHARACTERS = 200


def divert_native_errors(file: Path) -> None:
    """From now on to the end of this process, file number 2 is `file`; Python's own goes where it went."""
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors)
    with file.open("ab") as opened:
        os.dup2(opened.fileno(), 2)


def read_last_words(file: Path) -> str:
    """The first sentence of the last error that Ray's core wrote there; empty where there is none."""
    try:
        sentences = ENDING.findall(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return sentences[-1][:MAX_CHARACTERS] if sentences else ""
