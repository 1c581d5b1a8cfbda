"""One run at a time of a study, wherever its records lie: a lease with a heartbeat, taken over when it is stale.

The lease is a numbered file, `lease/000007.json`; the highest number holds. Its holder writes a new beat into it every
few seconds. Who wants the lease of a holder that went silent creates the next number, which only one of many can do (an
exclusive create; a conditional put on S3). A holder that finds a higher number than its own has lost the lease, and
stops. No clock is compared with another machine's: silence is what the newcomer itself watched. Shards of a study have
leases of their own.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from evenkeel.study.errors import StorageError, UserError
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.typed_json import parse_json

LEASE_BEAT_S = 5.0
LEASE_STALE_S = 30.0
LEASE_POLL_S = 0.5
WHOLE_STUDY = "lease"


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
    heard: float = field(default=0.0, compare=False)
    """Seconds since the epoch by the holder's own clock, for people; nothing is decided by it."""


class LeaseHeld(UserError):
    """Somebody alive holds the lease called `name`."""

    def __init__(self, folder: Folder, name: str, holder: Holder) -> None:
        self.name = name
        holding_run = "another run" if name == WHOLE_STUDY else f"the shard {name.removeprefix('shards/')}"
        super().__init__(
            f"{folder.location}: {holding_run} of this study is going on (process {holder.pid} on {holder.host}); wait "
            "for it or stop it"
        )


class LeaseWatch:
    """Looks at the lease called `name` again and again, until it is known whether its holder lives."""

    def __init__(self, folder: Folder, name: str, stale_s: float = LEASE_STALE_S) -> None:
        self.folder, self.name, self.stale_s = folder, name, stale_s
        self.number = 0
        self.watched: Holder | None = None
        self.since = 0.0

    def is_free(self) -> bool:
        """True when nobody holds it, or only a dead one; False while that cannot be known yet. Raises LeaseHeld."""
        self.number, holder = read_holder(self.folder, self.name)
        if holder is None or holder.released or _is_dead(holder):
            return True
        if _is_alive(holder) or (self.watched is not None and self.watched != holder):
            raise LeaseHeld(self.folder, self.name, holder)
        if self.watched is None:
            self.watched, self.since = holder, time.monotonic()
        return time.monotonic() - self.since > self.stale_s


def wait_until_free(folder: Folder, names: Iterable[str], stale_s: float = LEASE_STALE_S) -> None:
    """Wait until each of the leases is known to be held by nobody alive. Raises LeaseHeld for one that is."""
    watches = [LeaseWatch(folder, name, stale_s) for name in names]
    while watches := [watch for watch in watches if not watch.is_free()]:
        time.sleep(LEASE_POLL_S)


class Lease:
    """The lease called `name`, held by this process from `hold()`; `on_lost` is called from a thread when another run
    took over."""

    def __init__(
        self,
        folder: Folder,
        on_lost: Callable[[], None],
        name: str = WHOLE_STUDY,
        *,
        beat_s: float = LEASE_BEAT_S,
        stale_s: float = LEASE_STALE_S,
    ):
        self.folder, self.on_lost, self.name, self.beat_s, self.stale_s = folder, on_lost, name, beat_s, stale_s
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
        self.folder.fs.makedirs(self.folder.path_of(self.name), exist_ok=True)
        watch = LeaseWatch(self.folder, self.name, self.stale_s)
        while not (watch.is_free() and self._create(watch.number + 1)):
            time.sleep(LEASE_POLL_S)
        self.number = watch.number + 1
        self.folder.remove(*(_path(self.name, n) for n in _numbers(self.folder, self.name) if n < watch.number))

    def _create(self, number: int) -> bool:
        return self.folder.write_new(_path(self.name, number), _content(self.me))

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
        return max(_numbers(self.folder, self.name), default=0) > self.number

    def _write(self, holder: Holder) -> None:
        self.folder.write(_path(self.name, self.number), _content(holder))


def read_holder(folder: Folder, name: str) -> tuple[int, Holder | None]:
    """The highest number of a lease and its holder; None where there is none, or none that can be read."""
    number = max(_numbers(folder, name), default=0)
    try:
        return number, Holder(**parse_json(folder.read(_path(name, number)))) if number else None
    except FileNotFoundError:
        return read_holder(folder, name)
    except (ValueError, TypeError):
        return number, Holder("?", "", 0, 0.0, "an unknown machine")


def _numbers(folder: Folder, name: str) -> list[int]:
    stems = (Path(file).stem for file in folder.names(name, ".json"))
    return [int(stem) for stem in stems if stem.isdigit()]


def _path(name: str, number: int) -> str:
    return f"{name}/{number:06d}.json"


def _content(holder: Holder) -> bytes:
    return json.dumps(asdict(holder) | {"heard": time.time()}).encode()


def place() -> str:
    """Where a process number means one process: this machine since it booted, and this container of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        import psutil

        return f"{socket.gethostname()} {psutil.boot_time():.0f}"


def _is_dead(holder: Holder) -> bool:
    """Whether it is known to be dead: it ran where this process runs, and is there no more."""
    return holder.place == place() and not _runs(holder)


def _is_alive(holder: Holder) -> bool:
    return holder.place == place() and _runs(holder)


def _runs(holder: Holder) -> bool:
    import psutil

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
        import psutil

        return psutil.Process(pid).create_time()
