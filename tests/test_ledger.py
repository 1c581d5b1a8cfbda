"""The ledger is the truth: atomic, checked, never doubled."""

import json
import time

import pytest

from study.errors import UserError
from study.records.ledger import Ledger, make_record
from tests.test_probe import trial


def record(state="done", seed=0, study="tiny", **changes):
    now = time.time()
    contents = {"state": state, "metrics": {"test_f1": 0.5}, "curves": {}, "per_class": {}, "note": None}
    return make_record(study, trial(seed=seed), **(contents | changes), started=now, ended=now, wall_s=0.1, host="h",
                       epochs_done=1, versions={}, pack=1)  # fmt: skip


@pytest.fixture(params=["local", "memory"])
def ledger(request, tmp_path):
    storage = str(tmp_path / "a 'folder'") if request.param == "local" else f"memory://{tmp_path.name}"
    made = Ledger(storage, "tiny")
    made.create()
    return made


def test_records_come_back_as_they_were(ledger):
    wanted = record()
    ledger.write(wanted)
    assert ledger.read_all() == {wanted["id"]: wanted} and ledger.ids() == {wanted["id"]}


def test_a_done_trial_is_never_recorded_twice(ledger):
    ledger.write(record(metrics={"test_f1": 0.5}))
    ledger.write(record(metrics={"test_f1": 0.9}))
    (kept,) = ledger.read_all().values()
    assert kept["metrics"] == {"test_f1": 0.5}


def test_a_failed_trial_may_become_done(ledger):
    ledger.write(record("failed"))
    ledger.write(record("done"))
    assert [r["state"] for r in ledger.read_all().values()] == ["done"]


def test_numbers_that_are_not_finite_become_none():
    assert record(metrics={"a": float("nan"), "b": [1.0, float("inf")]})["metrics"] == {"a": None, "b": [1.0, None]}


def test_leftovers_of_a_killed_writer_are_ignored(tmp_path):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(record())
    (tmp_path / "trials" / ".0123456789abcdef.json.99").write_text('{"half')
    assert len(ledger.read_all()) == len(ledger.ids()) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "half-written record"),
        (lambda text: "[]", "not a trial record"),
        (lambda text: text.replace('"tiny"', '"other"'), "belongs to the study 'other'"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "does not belong to the trial of its name"),
        (lambda text: text.replace('"done"', '"gone"'), "does not belong to the trial of its name"),
    ],
)
def test_damaged_and_foreign_records_are_named(tmp_path, damage, message):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(record())
    (path,) = (tmp_path / "trials").glob("*.json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=message) as error:
        ledger.read_all()
    assert str(path) in str(error.value) and "run again" in str(error.value)


def test_a_folder_of_another_study_is_refused(tmp_path):
    first = Ledger(str(tmp_path), "first")
    first.create()
    first.write_study({"config": {"name": "first"}})
    with pytest.raises(UserError, match="holds the study 'first', not 'second'"):
        Ledger(str(tmp_path), "second").create()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Ledger(str(tmp_path / "file" / "sub"), "tiny").create()


def test_retired_records_are_kept_but_not_read(ledger):
    ledger.write(record())
    (trial_id,) = ledger.ids()
    ledger.retire(trial_id)
    assert ledger.ids() == set() and ledger.retired_ids() == {trial_id}


def test_records_are_plain_json(tmp_path):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(record())
    (path,) = (tmp_path / "trials").glob("*.json")
    assert json.loads(path.read_text())["trial"]["loss"] == "ral"
