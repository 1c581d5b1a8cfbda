"""A study's folder that somebody else filled: it is read, and nothing in it decides what is asked, read or written."""

import io
import json
import os
import sqlite3
import time
from contextlib import closing

import numpy as np
import pytest
from rich.console import Console

from evenkeel.study.cli import main
from evenkeel.study.plain_text import visible, visible_lines
from evenkeel.study.records.folder import Folder, ForeignFileError
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import StudyRecord, TrialRecord
from evenkeel.study.terminal import PlainConsole
from evenkeel.trainables import Trial
from tests.synthetic import study as synthetic_study

ESCAPE = "\x1b[31mred\x1b[0m"


def trial_record(label="bce", seed=0, **changes) -> TrialRecord:
    trial = Trial(loss="bce", hyperparameters={}, settings={}, seed=seed, data={"name": "none"}, trainable={},
                  design="sweep", label=label)  # fmt: skip
    now, scores = time.time(), {f"{split}_{name}": 0.5 for split in ("val", "test") for name in ("f1", "map")}
    return TrialRecord(study="synthetic", trial=trial, state="done", metrics=scores, wall_s=0.1, epochs_done=1,
                       started=now, ended=now, **changes)  # fmt: skip


@pytest.fixture(params=["plain", "a [b] c", "what? *", "x::y"])
def folder(request, tmp_path):
    """A recorded study with six trials of one loss, in a folder whose name is a pattern to some libraries."""
    return recorded_study(tmp_path / request.param)


def recorded_study(place):
    ledger = Ledger(str(place), "synthetic")
    ledger.create()
    ledger.write_study(
        StudyRecord({"name": "synthetic", "tracking": "http://127.0.0.1:9"}, synthetic_study().to_json())
    )
    for seed in range(6):
        ledger.write(trial_record(seed=seed))
    return place


def test_a_name_is_never_a_pattern(folder):
    ledger = Ledger(str(folder), "synthetic")
    assert len(ledger.read_all()) == 6 and ledger.pack() == 6 and len(ledger.read_all()) == 6
    ledger.retire(list(ledger.ids())[:2])
    assert len(ledger.read_all()) == 4 and len(ledger.retired_ids()) == 2
    ledger.sweep()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_files_beside_a_record_move_where_a_name_is_a_pattern(folder, tmp_path):
    (tmp_path / "scores.npz").write_bytes(b"numbers")
    ledger = Ledger(str(folder), "synthetic")
    record = trial_record(seed=7, files={"scores": "scores.npz"})
    ledger.write(record, tmp_path)
    assert ledger.read_file(record.id, "scores.npz") == b"numbers"
    ledger.retire([record.id])
    assert (folder / "retired" / f"{record.id}.files" / "scores.npz").read_bytes() == b"numbers"


def test_an_address_in_the_folder_is_not_asked(folder, capsys, monkeypatch):
    def refuse(*_):
        raise AssertionError("somebody was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert main(["report", str(folder), "-o", str(folder / "page.html")]) == 0
    assert "names MLflow at http://127.0.0.1:9, which is not asked" in capsys.readouterr().err
    assert main(["status", str(folder)]) == 0
    assert main(["ui", str(folder)]) == 2 and "no MLflow database yet" in capsys.readouterr().err


def test_a_page_is_not_written_through_a_link(folder, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (folder / "report.html").symlink_to(tmp_path / "precious")
    assert main(["report", str(folder)]) == 0
    assert (tmp_path / "precious").read_text() == "mine" and "evenkeel" in (folder / "report.html").read_text()


def test_links_pipes_and_large_files_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("mine")
    (place := tmp_path / "study").mkdir()
    (place / "a.json").symlink_to(tmp_path / "secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.json").write_text("mine")
    (place / "inner").symlink_to(tmp_path / "outside")
    os.mkfifo(place / "c.json")
    (place / "d.json").write_text("12345")
    monkeypatch.setattr("evenkeel.study.records.folder.MAX_FILE_BYTES", 4)
    for name, rule in {"a.json": "is a link", "inner/b.json": "is a link", "c.json": "no plain file",
                       "d.json": "5 bytes; at most 4"}.items():  # fmt: skip
        with pytest.raises(ForeignFileError, match=rule):
            Folder(str(place)).read(name)
    link = tmp_path / "linked"  # the folder itself may be reached by a link: the user named it
    link.symlink_to(place)
    (place / "e.json").write_text("1234")
    assert Folder(str(link)).read("e.json") == b"1234"


SYNC_LITTER = (
    "a b.json", "000001 (conflicted copy).json", "._x.json", "x.sync-conflict-1.json", "0123456789abcdef 2.json",
    "0123456789abcdef-LAPTOP.json", "desktop.ini", ".DS_Store", "~lock.json", "Thumbs.db",
)  # fmt: skip


@pytest.mark.parametrize("name", SYNC_LITTER)
def test_what_sync_clients_leave_is_nobodys_record(name, folder, capsys):
    for place in ("trials", "packed", "lease", "retired", "."):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / name).write_text("{}")
        (folder / place / name.replace("json", "parquet")).write_text("{}")
    ledger = Ledger(str(folder), "synthetic")
    assert len(ledger.read_all()) == 6 and not ledger.damaged and ledger.pack() == 6 and not ledger.retired_ids()
    assert main(["status", str(folder)]) == 0 and "cannot be read" not in capsys.readouterr().err


ODD_JSON = ["[" * 50_000, "{}", "[]", "null", '"text"', "{", '{"config": {}}', '{"a": ' * 5000, "NaN", "1e999", ""]


@pytest.mark.parametrize("text", ODD_JSON)
def test_an_odd_study_or_record_is_one_line(text, folder, capsys):
    record = folder / "trials" / f"{trial_record().id}.json"
    record.write_text(text)
    assert main(["status", str(folder)]) == 0
    assert "1 files cannot be read" in capsys.readouterr().err
    (folder / "study.json").write_text(text)
    for command in (["status", str(folder)], ["report", str(folder)]):
        assert main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1


def drawn(value, rng):
    """A value of another kind, or the same one level deeper."""
    return [None, -1, 1e300, "x", ["x"], {"x": 1}, [value], {"x": value}, True][rng.integers(9)]


def changed(value, rng, depth=0):
    """A copy of JSON in which one thing is another."""
    if isinstance(value, dict) and value and depth < 4 and rng.random() < 0.9:
        key = list(value)[rng.integers(len(value))]
        if rng.random() < 0.2:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: changed(value[key], rng, depth + 1)}
    return drawn(value, rng)


@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_a_study_of_any_contents_is_shown_or_refused_in_a_line(folder, capsys):
    """60 studies, in each of which one value is of another kind or missing."""
    rng, contents = np.random.default_rng(0), json.loads((folder / "study.json").read_text())
    for _ in range(60):
        (folder / "study.json").write_text(json.dumps(contents | {"summary": changed(contents["summary"], rng)}))
        code = main(["report", str(folder)])
        printed = capsys.readouterr()
        assert code in (0, 2) and (code == 0 or printed.err.count("evenkeel: ") == 1), printed.err


@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_escapes_of_a_terminal_are_shown_as_text(folder, capsys):
    Ledger(str(folder), "synthetic").write(trial_record(label=ESCAPE, seed=8))
    assert main(["status", str(folder)]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err and r"\x1b[31mred\x1b[0m" in printed.out


@pytest.mark.parametrize("text", ["[red]x[/red]", "[/x]", ":smile:", "a[0]", ESCAPE, "\u202eabc"])
def test_nothing_in_a_text_is_markup(text):
    out = io.StringIO()
    PlainConsole(file=out, width=200).print(text)
    assert out.getvalue() == f"{visible(text)}\n"


def test_visible_text_keeps_what_people_write():
    assert visible("β Größe 肺 a\tb\n") == r"β Größe 肺 a\tb\n" and visible_lines("a\nb\x07") == "a\nb\\x07"
    assert isinstance(PlainConsole(), Console)


@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_a_database_whose_files_lie_elsewhere_is_not_served(folder, tmp_path, capsys):
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("CREATE TABLE experiments (artifact_location TEXT)")
        database.execute("CREATE TABLE runs (artifact_uri TEXT)")
        database.execute("INSERT INTO runs VALUES ('s3://somebody/else')")
        database.commit()
    assert main(["ui", str(folder)]) == 2
    assert "says that files lie at s3://somebody/else" in capsys.readouterr().err
    (folder / "mlflow.db").rename(tmp_path / "elsewhere.db")
    (folder / "mlflow.db").symlink_to(tmp_path / "elsewhere.db")
    assert main(["ui", str(folder)]) == 2 and "is a link" in capsys.readouterr().err
