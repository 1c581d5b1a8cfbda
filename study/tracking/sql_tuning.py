"""How MLflow's databases are written fast, by SQLAlchemy's public events.

One trial of MLflow's takes eight commits, and what MLflow holds can be filled again from the ledger. So no commit waits
for the disk: a power cut costs the last runs, and a filler logs them again when its server answers again.
"""

import fcntl
import os
import sqlite3
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

PAGES_A_CHECKPOINT = 4000
"""16 MB of write-ahead log; with sqlite's own 1000 pages it waits for the disk four times as often."""
POSTGRESQL_OPTIONS = "-c synchronous_commit=off"
TURN_KEY = "turn"
LONGEST_WAIT_S, ASK_EVERY_S = 5.0, 0.0002


class Turn:
    """Whose turn it is to write a database, from a transaction's first write to its end.

    sqlite has one writer at a time, and who finds another sleeps ever longer before it asks again, up to a tenth of a
    second; a transaction of MLflow's takes two milliseconds. Who gets no turn in time leaves it to sqlite.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.taken = path, False
        self.file: BinaryIO | None = None

    def take(self) -> None:
        deadline = time.monotonic() + LONGEST_WAIT_S
        with suppress(OSError):  # a file that another user made, a file system without locks
            self.file = self.file or self.path.open("ab")
            while not self.taken and time.monotonic() < deadline:
                try:
                    fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.taken = True
                except BlockingIOError:
                    time.sleep(ASK_EVERY_S)

    def give(self) -> None:
        if self.file and self.taken:
            fcntl.flock(self.file, fcntl.LOCK_UN)
            self.taken = False


@cache
def tune_connections() -> None:
    """Tune every connection that this process opens from now on."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    event.listen(Engine, "do_connect", connect_fast)

    @event.listens_for(Engine, "connect")
    def relax(connection: object, record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
        if mode == "wal":
            connection.execute(f"PRAGMA wal_autocheckpoint={PAGES_A_CHECKPOINT}")
            _, _, path = connection.execute("PRAGMA database_list").fetchone()
            record.info[TURN_KEY] = Turn(Path(f"{path}.{TURN_KEY}"))

    @event.listens_for(Engine, "before_cursor_execute")
    def take_turn(connection: Any, _: object, sql: str, values: object, context: Any, many: bool) -> None:
        turn = connection.connection.info.get(TURN_KEY)
        if turn and context and (context.isinsert or context.isupdate or context.isdelete):
            turn.take()

    @event.listens_for(Pool, "checkin")
    def give_turn(_: object, record: Any) -> None:
        """A connection comes back when its transaction is over."""
        if turn := record.info.get(TURN_KEY):
            turn.give()


def connect_fast(dialect: Any, _: object, words: list[Any], options: dict[str, Any]) -> Any:
    """A connection to PostgreSQL whose commits do not wait for the disk; None leaves it to SQLAlchemy.

    As an option of the connection: a pool of connections between us and the server refuses it, where a setting would
    stay with one of them and go on to whoever gets that next.
    """
    takes_options = dialect.name == "postgresql" and dialect.driver in ("psycopg2", "psycopg")
    if takes_options and "options" not in options and "PGOPTIONS" not in os.environ:
        with suppress(dialect.dbapi.Error):
            return dialect.connect(*words, **options, options=POSTGRESQL_OPTIONS)
    return None
