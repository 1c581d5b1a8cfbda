"""The process that a person starts stays outside; a child of it does the work.

Ray's core, a compiled kernel or the system's out-of-memory killer can end the child without a word. The parent then has
the last one: why it ended, with an exit code of ours. It passes signals on, and when the child is gone it ends what the
child left running (Ray's agents would stay for minutes) and removes its temporary files. When the parent itself is
killed, the child sees its pipe close, and takes everything it started with it.
"""

import faulthandler
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from evenkeel.study.errors import EXIT_CLUSTER, EXIT_FAULT, EXIT_INTERRUPTED
from evenkeel.study.run.death_note import describe_fault
from evenkeel.study.run.native_errors import read_last_words
from evenkeel.trainables.cgroup import num_memory_kills

FOLDER_PREFIX = "ek-"
LONGEST_PARENT = 12
"""The name of the child's folder has 20 bytes, and Ray's sockets lie in it (ray_runner.LONGEST_FOLDER)."""
USUAL_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")
FAULT_FILE = "fault"
NATIVE_ERRORS_FILE = "native-errors"
KEPT = "what was recorded is kept, but the same command may meet it again"
SESSION_END_S = 3.0
SHOW_CURSOR = "\x1b[?25h"
_child_folder: Path | None = None


def run_supervised(work: Callable[[], int], *, notes_faults: bool = False) -> int:
    """The exit code of `work`, done in a child process; in this one where that cannot be (threads, no fork).

    `notes_faults`: a fatal signal is a fault of a library, with its place; Ray's core ends a driver so without a fault.
    """
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return work()
    _remove_folders_of_the_dead()
    folder = _own_folder()
    memory_kills = num_memory_kills()
    alive, parent_end = os.pipe()
    code_read, code_write = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _forwarded())  # until it is known what they do: none comes between
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(parent_end)
        os.close(code_read)
        if notes_faults:
            faulthandler.enable((folder / FAULT_FILE).open("w"))
        os.setsid()  # the terminal's signals reach the parent alone, which passes each on once
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        threading.Thread(target=_end_with_parent, args=[alive], name="parent", daemon=True).start()
        global _child_folder
        _child_folder = folder
        code = work()
        os.write(code_write, bytes([code]))
        _end_at_once(code)
    os.close(alive)
    os.close(code_write)
    return _wait(child, code_read, folder, memory_kills, mask)


def supervised_folder() -> Path | None:
    """The temporary folder of a child of `run_supervised`, which may end in the midst of anything; None elsewhere."""
    return _child_folder


def _end_at_once(code: int) -> NoReturn:
    """Without waiting for threads: a start of Ray that nobody needs any more may take minutes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def find_short_folder(longest: int) -> str | None:
    """A temporary folder with a name of at most so many bytes: the system's, or else a usual one."""
    for folder in (tempfile.gettempdir(), *USUAL_FOLDERS):
        if len(os.fsencode(folder)) <= longest and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _end_with_parent(alive: int) -> None:
    os.read(alive, 1)
    os.killpg(0, signal.SIGKILL)


def _forwarded() -> set[signal.Signals]:
    return {getattr(signal, name) for name in FORWARDED}


def _wait(child: int, code_read: int, folder: Path, memory_kills: int, mask: set[int]) -> int:
    forwarded: list[int] = []

    def forward(number: int, _: object) -> None:
        forwarded.append(number)
        _send(child, number)

    for number in _forwarded():
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _, status = os.waitpid(child, 0)
    _end_session(child)
    code, fault, last_words = _read_code(code_read), _read_fault(folder), read_last_words(folder / NATIVE_ERRORS_FILE)
    shutil.rmtree(folder, ignore_errors=True)
    if code is None and os.WIFEXITED(status) and os.WEXITSTATUS(status) == EXIT_CLUSTER:  # our own, with its words said
        return EXIT_CLUSTER
    if code is None and forwarded:  # while it starts, Ray's core ends the process at a signal, without a word
        sys.stderr.write("evenkeel: stopped; nothing is lost: the same command goes on\n")
        return EXIT_INTERRUPTED
    if code is None:
        cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
        if fault:
            sys.stderr.write(f"{cursor}evenkeel: a fault in a library ended the run: {fault}; {KEPT}\n")
            return EXIT_FAULT
        words = "the kernel ended the run to free memory: out of memory"
        words = words if num_memory_kills() > memory_kills else _describe_end(status, last_words)
        sys.stderr.write(f"{cursor}evenkeel: {words}; nothing is lost: the same command goes on\n")
        return EXIT_CLUSTER
    return code


def _read_fault(folder: Path) -> str:
    """Of a child that met a fatal signal: which, and where it was."""
    try:
        return describe_fault((folder / FAULT_FILE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def _read_code(code_read: int) -> int | None:
    """What the child said before it ended, however it then ended."""
    os.set_blocking(code_read, False)  # what the child left running may hold the other end
    try:
        code = os.read(code_read, 1)
    except BlockingIOError:
        return None
    return code[0] if code else None


def _describe_end(status: int, last_words: str) -> str:
    if os.WIFSIGNALED(status):
        return f"the driver was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    cause = last_words or f"exit code {os.WEXITSTATUS(status)}"
    return f"Ray's core or another library ended the driver ({cause}); a node or Ray's head may have died"


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _end_session(leader: int) -> None:
    """End what the child started and left: first asked, then killed."""
    for number, wait_s in ((signal.SIGTERM, SESSION_END_S), (signal.SIGKILL, SESSION_END_S)):
        for process in _list_session(leader):
            _send(process, number)
        deadline = time.monotonic() + wait_s
        while _list_session(leader) and time.monotonic() < deadline:
            time.sleep(0.05)


def _list_session(leader: int) -> list[int]:
    """Live processes of the child's session."""
    import psutil

    alive = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return alive


def _own_folder() -> Path:
    """A temporary folder that no other run takes for one of the dead: it has its name when it is locked."""
    unnamed = Path(tempfile.mkdtemp(prefix=f".{FOLDER_PREFIX}{os.getpid()}-", dir=find_short_folder(LONGEST_PARENT)))
    _lock(unnamed)
    return unnamed.rename(unnamed.with_name(unnamed.name.removeprefix(".")))


def _lock(folder: Path) -> int | None:
    """Lock a folder until this process and its child have ended, or close this descriptor; None while another holds it.

    The number of a process would not do: it means nothing to the containers that share a folder.
    """
    import fcntl

    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(opened).st_uid != os.geteuid():
        os.close(opened)
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


def _remove_folders_of_the_dead() -> None:
    """Temporary folders of runs that were killed with their parent."""
    for folder in Path(find_short_folder(LONGEST_PARENT) or tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}[0-9]*-*"):
        with suppress(OSError):  # somebody else's, or gone meanwhile
            if (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
