"""One run at a time of a study, wherever its records lie: a lease with a heartbeat, taken over when it is stale.

The lease is a numbered file, `lease/000007.json`; the highest number holds. Its holder writes a new beat into it every
few seconds. Who wants the lease of a holder that went silent creates the next number, which only one of many can do (an
exclusive create; a conditional put on S3). A holder that finds a higher number than its own has lost the lease, and
stops. No clock is compared with another machine's: silence is what the newcomer itself watched.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from evenkeel.study.errors import StorageError, UserError
from evenkeel.study.records.folder import Folder

LEASE_BEAT_S = 5.0
LEASE_STALE_S = 30.0
LEASE_POLL_S = 0.5


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: `run` is new for every run; `place` is what a process number (`pid`) is good for."""

    run: str
    place: str
    pid: int
    born: float
    host: str
    beat: int = 0
    released: bool = False


class Lease:
    """Held by this process from `hold()`; `on_lost` is called from a thread when another run took over."""

    def __init__(
        self,
        folder: Folder,
        on_lost: Callable[[], None],
        *,
        beat_s: float = LEASE_BEAT_S,
        stale_s: float = LEASE_STALE_S,
    ):
        self.folder, self.on_lost, self.beat_s, self.stale_s = folder, on_lost, beat_s, stale_s
        self.me = Holder(uuid.uuid4().hex, place(), os.getpid(), born(os.getpid()), socket.gethostname())
        self.number = 0
        self.over = threading.Event()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Raises UserError when another run is alive. Waits `stale_s` for one that is silent."""
        self._take()
        beating = threading.Thread(target=self._beat, name="lease", daemon=True)
        beating.start()
        try:
            yield
        finally:
            self.over.set()
            beating.join()
            with suppress(OSError, StorageError):
                if not self._lost():
                    self._write(replace(self.me, released=True))

    def _take(self) -> None:
        self.folder.fs.makedirs(self.folder.path_of("lease"), exist_ok=True)
        watched, since = None, time.monotonic()
        while True:
            number, holder = self._newest()
            if holder is None or holder.released or _is_dead(holder) or self._silent(since, watched == holder):
                if self.folder.write_new(_name(number + 1), _content(self.me)):
                    self.number = number + 1
                    self.folder.remove(*(_name(n) for n in self._numbers() if n < number))
                    return
                watched = None
            elif _is_alive(holder) or (watched is not None and watched != holder):
                raise UserError(
                    f"{self.folder.location}: another run of this study is going on (process {holder.pid} on "
                    f"{holder.host}); wait for it or stop it"
                )
            elif watched is None:
                watched, since = holder, time.monotonic()
            time.sleep(LEASE_POLL_S)

    def _silent(self, since: float, unchanged: bool) -> bool:
        return unchanged and time.monotonic() - since > self.stale_s

    def _beat(self) -> None:
        failing_since = None
        while not self.over.wait(self.beat_s):
            try:
                if self._lost():
                    return self.on_lost()
                self.me = replace(self.me, beat=self.me.beat + 1)
                self._write(self.me)
                failing_since = None
            except Exception:  # whatever the place has against it: others count our silence, so we must count it too
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > self.stale_s - 2 * self.beat_s:
                    return self.on_lost()

    def _lost(self) -> bool:
        return max(self._numbers(), default=0) > self.number

    def _numbers(self) -> list[int]:
        return [int(Path(name).stem) for name in self.folder.names("lease", ".json")]

    def _newest(self) -> tuple[int, Holder | None]:
        """The highest number and its holder; None where there is none, or none that can be read."""
        number = max(self._numbers(), default=0)
        try:
            return number, Holder(**json.loads(self.folder.read(_name(number)))) if number else None
        except FileNotFoundError:
            return self._newest()
        except (ValueError, TypeError):
            return number, Holder("?", "", 0, 0.0, "an unknown machine")

    def _write(self, holder: Holder) -> None:
        self.folder.write(_name(self.number), _content(holder))


def _name(number: int) -> str:
    return f"lease/{number:06d}.json"


def _content(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def place() -> str:
    """Where a process number means one process: this machine since it booted, and this container of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {psutil.boot_time():.0f}"


def _is_dead(holder: Holder) -> bool:
    """Known to be dead: it ran where this process runs, and is there no more."""
    return holder.place == place() and not _runs(holder)


def _is_alive(holder: Holder) -> bool:
    return holder.place == place() and _runs(holder)


def _runs(holder: Holder) -> bool:
    try:
        return abs(born(holder.pid) - holder.born) < 1 and psutil.Process(holder.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def born(pid: int) -> float:
    """When a process began, in seconds since this machine booted: no jump of the clock moves it.

    Raises psutil.NoSuchProcess. Where the system does not tell (not Linux), seconds since the epoch.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        return int(after_name.split()[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return psutil.Process(pid).create_time()
