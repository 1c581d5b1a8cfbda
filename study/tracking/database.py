"""MLflow's client, and new sqlite databases as copies of an empty one: making its tables takes MLflow seconds."""

import logging
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import psutil

from evenkeel.study.file.header import SQLITE, in_address
from evenkeel.study.tracking.sql_tuning import tune_connections
from evenkeel.trainables.cache import made_once

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_ALEMBIC_LOG_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "QueuePool")  # sqlite reads its whole schema when it connects

NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "afs", "9p", "fuse")
"""File systems that several machines may share: a write-ahead log would be seen by one of them only."""

JOURNALS = ("-wal", "-shm", "-journal")
"""What sqlite keeps beside a database, by the ending of its name."""
CHECKED_WHOLE_BYTES = 64 << 20

if TYPE_CHECKING:
    from mlflow import MlflowClient


def client(uri: str) -> "MlflowClient":
    """A quiet client. Imports MLflow, which takes seconds."""
    from mlflow import MlflowClient

    tune_connections()
    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    connected = MlflowClient(tracking_uri=uri)
    if uri.startswith(SQLITE):
        _remove_folder_as_written(uri.removeprefix(SQLITE))
    return connected


def _remove_folder_as_written(address: str) -> None:
    """Remove the empty folder that MLflow makes of an address as it is written, `a%3Fb` beside `a?b`.

    Source: `_make_parent_dirs_if_sqlite` of MLflow 3.17, which takes no address for quoted.
    """
    as_written, real = Path(address).parent, Path(unquote(address)).parent
    while as_written != real:
        with suppress(OSError):
            as_written.rmdir()
        as_written, real = as_written.parent, real.parent


def make_database(database: Path, templates: Path) -> None:
    """A new, empty database unless there is one; with a write-ahead log, so that the UI reads while a run writes."""

    def make(path: Path) -> None:
        for ending in JOURNALS:  # of a removed database: they would be played into the new one
            database.with_name(database.name + ending).unlink(missing_ok=True)
        shutil.copyfile(template(templates), path)

    if not database.exists():
        made_once(database, make, changes=True)
    if is_on_this_machine(database):
        _tell(database, "PRAGMA journal_mode=WAL", wait_s=5)


def find_damage(database: Path) -> str | None:
    """What sqlite says against a database of MLflow's; None where it reads well, is not there or is busy.

    A small one is checked whole; of a large one the tables that a run needs first are read.
    """
    if not database.exists():
        return None
    statements = [f"SELECT count(*) FROM {table}" for table in ("experiments", "runs")]
    if database.stat().st_size <= CHECKED_WHOLE_BYTES:
        statements.append("PRAGMA quick_check(1)")
    try:
        with closing(sqlite3.connect(database, timeout=1)) as connection:
            answers = [connection.execute(statement).fetchone()[0] for statement in statements]
    except sqlite3.OperationalError as error:
        return str(error) if "no such table" in str(error) or "malformed" in str(error) else None
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if answers[-1] == "ok" or len(answers) < 3 else str(answers[-1]).splitlines()[-1]


def set_aside(database: Path) -> Path:
    """Move a damaged database out of the way, its log beside it; returns where it lies now."""
    folder = database.parent / "set-aside"
    folder.mkdir(exist_ok=True)
    number = len(list(folder.glob(f"{database.name}-*")))
    for ending in JOURNALS:
        database.with_name(database.name + ending).unlink(missing_ok=True)
    return database.rename(folder / f"{database.name}-{number}")


def analyze(database: Path) -> None:
    """Tell sqlite, from samples, how its rows are spread: else sorting ten thousand runs by a metric takes seconds."""
    _tell(database, "PRAGMA analysis_limit=1000", "ANALYZE")


def gather(database: Path) -> None:
    """Write what lies in the log beside a database into it, so that the file can be copied alone."""
    _tell(database, "PRAGMA wal_checkpoint(TRUNCATE)")


def _tell(database: Path, *statements: str, wait_s: float = 1) -> None:
    """What does not go while others read or write stays undone, until somebody says it again."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database, timeout=wait_s)) as connection:
        for statement in statements:
            connection.execute(statement)


def is_on_this_machine(path: Path) -> bool:
    """Whether a file lies on a file system of this machine alone."""
    inner = max(
        (p for p in psutil.disk_partitions(all=True) if path.resolve().is_relative_to(p.mountpoint)),
        key=lambda partition: len(partition.mountpoint),
        default=None,
    )
    return inner is not None and not inner.fstype.startswith(NETWORK)


def template(templates: Path) -> Path:
    """The empty database of this version of MLflow."""
    from mlflow.version import VERSION

    return made_once(templates / f"mlflow-{VERSION}.db", _create, changes=True)


def _create(path: Path) -> None:
    client(f"{SQLITE}{in_address(path)}").search_experiments(max_results=1)


def first_line(error: Exception) -> str:
    """An error as a message shows it."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
