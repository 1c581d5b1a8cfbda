"""The journal of a study's searches: what is read is what was written, whatever happened to the folder."""

import pytest

from evenkeel.study.records import search_journal
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.search_journal import SearchJournal

FIRST = [
    {"search": "a1", "proposal": 0, "setting": {"clip": 0.05, "focusing": "full", "num": 3}},
    {"search": "a1", "proposal": 0, "values": [0.1 + 0.2]},
]
SECOND = [{"search": "b2", "proposal": 0, "values": None}]


@pytest.fixture(params=["folder", "memory"])
def make(request, tmp_path):
    place = str(tmp_path) if request.param == "folder" else f"memory://journal-{tmp_path.name}"
    said: list[str] = []
    return lambda: (SearchJournal(Folder(place), said.append), said)


def test_what_is_read_is_what_was_written_in_order(make):
    assert make()[0].read() == []
    make()[0].append(FIRST)
    journal, said = make()
    assert journal.read() == FIRST
    journal.append(SECOND)
    assert make()[0].read() == FIRST + SECOND and said == []


@pytest.mark.parametrize("damage", [b"", b"{", b'{"events": [{"search": 3}], "whole": false}'])
def test_a_damaged_file_is_set_aside_and_the_rest_stays(make, damage):
    journal, said = make()
    for part in (FIRST, SECOND, FIRST):
        journal.append(part)
    folder = journal.folder
    folder.write(folder.names("searches", ".json")[0], damage)
    assert make()[0].read() == SECOND + FIRST
    assert len(said) == 1 and "cannot be read" in said[0] and "set-aside/" in said[0]
    assert make()[0].read() == SECOND + FIRST and len(said) == 1


def test_many_files_become_one_and_a_kill_in_between_doubles_nothing(make, monkeypatch):
    monkeypatch.setattr(search_journal, "MAX_FILES", 2)
    journal, _ = make()
    for part in (FIRST, SECOND, FIRST):
        journal.append(part)
    monkeypatch.setattr(Folder, "remove", lambda *_: None)  # killed before the old ones are removed
    assert make()[0].read() == FIRST + SECOND + FIRST
    monkeypatch.undo()
    again, _ = make()
    assert again.read() == FIRST + SECOND + FIRST
    again.append(SECOND)
    assert make()[0].read() == FIRST + SECOND + FIRST + SECOND


def test_what_others_leave_in_the_folder_is_nobodys_event(make):
    journal, said = make()
    journal.append(FIRST)
    journal.folder.write("searches/00000001 (copy of somebody).json", b"{}")
    assert make()[0].read() == FIRST and said == []
