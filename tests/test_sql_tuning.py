"""How databases are written fast: whose turn it is, and that only what can be filled again is at stake."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
import sqlalchemy
from sqlalchemy.engine import Engine

from evenkeel.study.tracking import sql_tuning
from evenkeel.study.tracking.sql_tuning import Turn, tune_connections

T = sqlalchemy.table("t", sqlalchemy.column("a"))
INSERT = T.insert().values(a=1)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (a INTEGER)")
    tune_connections()
    return path


def engine_of(path) -> Engine:
    return sqlalchemy.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})


def test_a_transaction_waits_for_another_of_its_kind(database):
    """sqlite itself would refuse at once here: it is told not to wait."""
    one, other = engine_of(database), engine_of(database)
    written = threading.Event()

    def write():
        with other.begin() as connection:
            connection.execute(INSERT)
        written.set()

    with one.begin() as connection:
        connection.execute(INSERT)
        waiting = threading.Thread(target=write)
        waiting.start()
        assert not written.wait(0.2)
    waiting.join()
    assert written.is_set()
    with one.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM t")).scalar() == 2


def test_whoever_only_reads_takes_no_turn(database):
    with engine_of(database).begin() as connection:
        connection.execute(sqlalchemy.select(T))
    assert not database.with_name("some.db.turn").exists()


def test_a_turn_ends_with_a_transaction_that_fails(database):
    engine = engine_of(database)
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        connection.execute(INSERT)
        raise ZeroDivisionError
    with engine_of(database).begin() as connection:
        started = time.monotonic()
        connection.execute(INSERT)
        assert time.monotonic() - started < sql_tuning.LONGEST_WAIT_S / 2


def test_a_turn_ends_with_its_process(tmp_path):
    path = tmp_path / "turn"
    code = "import sys, os; from pathlib import Path; from evenkeel.study.tracking.sql_tuning import Turn\n"
    code += "t = Turn(Path(sys.argv[1])); t.take(); assert t.taken; os._exit(0)"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    turn = Turn(path)
    turn.take()
    assert turn.taken


def test_without_a_turn_in_time_sqlite_decides(database, monkeypatch):
    monkeypatch.setattr(sql_tuning, "LONGEST_WAIT_S", 0.1)
    held = Turn(database.with_name("some.db.turn"))
    held.take()
    with engine_of(database).begin() as connection:
        connection.execute(INSERT)
    held.give()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_where_no_turn_can_be_kept_sqlite_decides(database):
    database.with_name("some.db.turn").mkdir()
    with engine_of(database).begin() as connection:
        connection.execute(INSERT)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


@pytest.mark.parametrize(("mode", "synchronous"), [("WAL", 1), ("DELETE", 2)])
def test_sqlite_waits_for_the_disk_unless_it_has_a_write_ahead_log(tmp_path, mode, synchronous):
    with closing(sqlite3.connect(tmp_path / "some.db")) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
    tune_connections()
    with engine_of(tmp_path / "some.db").connect() as connection:
        assert connection.execute(sqlalchemy.text("PRAGMA synchronous")).scalar() == synchronous


class Refused(Exception): ...


class Dialect:
    """Of PostgreSQL; behind it a pool of connections that takes no options."""

    name, driver = "postgresql", "psycopg2"
    dbapi = type("dbapi", (), {"Error": Refused})

    def __init__(self, *, refuses: bool) -> None:
        self.refuses, self.asked = refuses, []

    def connect(self, *words, **options):
        self.asked.append(options)
        if self.refuses and "options" in options:
            raise Refused
        return "connection"


@pytest.mark.parametrize("refuses", [False, True])
def test_postgresql_is_asked_once_and_left_alone_where_it_refuses(refuses, monkeypatch):
    monkeypatch.delenv("PGOPTIONS", raising=False)
    dialect = Dialect(refuses=refuses)
    assert sql_tuning.connect_fast(dialect, None, [], {"port": 1}) == (None if refuses else "connection")
    assert dialect.asked == [{"port": 1, "options": sql_tuning.POSTGRESQL_OPTIONS}]


@pytest.mark.parametrize("own", ["uri", "environment", "driver", "database"])
def test_what_a_user_says_of_postgresql_stays(own, monkeypatch):
    monkeypatch.delenv("PGOPTIONS", raising=False)
    dialect = Dialect(refuses=False)
    if own == "environment":
        monkeypatch.setenv("PGOPTIONS", "-c work_mem=1GB")
    dialect.driver = "pg8000" if own == "driver" else dialect.driver
    dialect.name = "mysql" if own == "database" else dialect.name
    assert sql_tuning.connect_fast(dialect, None, [], {"options": "-c work_mem=1GB"} if own == "uri" else {}) is None
    assert not dialect.asked
