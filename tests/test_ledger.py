"""The ledger is the truth: atomic, checked, never doubled."""

import json
import time

import pytest

from study.errors import UserError
from study.records.ledger import Ledger
from study.records.record import StudyRecord, TrialRecord
from tests.test_probe import trial


def record(state="done", seed=0, study="tiny", **changes):
    now = time.time()
    contents = {"metrics": {"test_f1": 0.5}, "wall_s": 0.1, "epochs_done": 1, "host": "h", "pack": 1}
    return TrialRecord(study=study, trial=trial(seed=seed), state=state, started=now, ended=now, **contents | changes)


@pytest.fixture(params=["local", "memory"])
def ledger(request, tmp_path):
    storage = str(tmp_path / "a 'folder'") if request.param == "local" else f"memory://{tmp_path.name}"
    made = Ledger(storage, "tiny")
    made.create()
    return made


def test_records_come_back_as_they_were(ledger):
    wanted = record()
    ledger.write(wanted)
    assert ledger.read_all() == {wanted.id: wanted} and ledger.ids() == {wanted.id}


def test_a_done_trial_is_never_recorded_twice(ledger):
    ledger.write(record(metrics={"test_f1": 0.5}))
    ledger.write(record(metrics={"test_f1": 0.9}))
    (kept,) = ledger.read_all().values()
    assert kept.metrics == {"test_f1": 0.5}


def test_a_failed_trial_may_become_done(ledger):
    ledger.write(record("failed"))
    ledger.write(record("done"))
    assert [r.state for r in ledger.read_all().values()] == ["done"]


def test_numbers_that_are_not_finite_become_none():
    contents = record(metrics={"a": float("nan")}, curves={"b": [1.0, float("inf")]}).to_json()
    assert contents["metrics"] == {"a": None} and contents["curves"] == {"b": [1.0, None]}


def test_leftovers_of_a_killed_writer_are_ignored(tmp_path):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(record())
    (tmp_path / "trials" / ".0123456789abcdef.json.99").write_text('{"half')
    assert len(ledger.read_all()) == len(ledger.ids()) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "not a whole trial record"),
        (lambda text: "[]", "not a trial record"),
        (lambda text: text.replace('"state"', '"stat"'), "unknown keys stat"),
        (lambda text: text.replace('"version": 2', '"version": 3'), "newer evenkeel"),
        (lambda text: text.replace('"files": {}', '"files": {"a": "../../b"}'), "lies elsewhere"),
        (lambda text: text.replace('"tiny"', '"other"'), "belongs to the study 'other'"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "does not belong to the trial whose id it bears"),
        (lambda text: text.replace('"done"', '"gone"'), "does not belong to the trial whose id it bears"),
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
    first.write_study(StudyRecord({"name": "first"}, {}))
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


def test_records_of_the_first_version_are_still_read(tmp_path):
    """As 0.2.0 wrote them: no `moved` in the trial, no `files`."""
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(record())
    (path,) = (tmp_path / "trials").glob("*.json")
    old = json.loads(path.read_text()) | {"version": 1}
    del old["files"], old["trial"]["moved"]
    path.write_text(json.dumps(old))
    (read,) = ledger.read_all().values()
    assert read.trial == trial() and read.files == {} and read.metrics == {"test_f1": 0.5}


def test_a_hidden_folder_above_hides_no_record(tmp_path):
    ledger = Ledger(str(tmp_path / ".local" / "st"), "tiny")
    ledger.create()
    ledger.write(record())
    assert len(ledger.read_all()) == 1


class TestFiles:
    """Large results lie beside the record, and go where it goes."""

    @pytest.fixture
    def place(self, tmp_path):
        place = tmp_path / "working" / "deep"
        place.mkdir(parents=True)
        (place / "some.npz").write_bytes(b"scores")
        return place.parent

    def contents(self, ledger, record, name="predictions"):
        return ledger.fs.cat_file(ledger.file(record, name))

    def names(self, ledger, folder="trials"):
        return {path.rpartition("/")[2] for path in ledger.fs.find(f"{ledger.root}/{folder}")}

    def test_move_with_the_record(self, ledger, place):
        ledger.write(record(files={"predictions": "deep/some.npz"}), place)
        (kept,) = ledger.read_all().values()
        assert kept.files == {"predictions": "predictions.npz"} and self.contents(ledger, kept) == b"scores"
        assert not (place / "deep" / "some.npz").exists() and ledger.ids() == {kept.id}

    def test_are_removed_with_it(self, ledger, place):
        ledger.write(record("failed", files={"predictions": str(place / "deep" / "some.npz")}))
        ledger.remove(record().id)
        assert self.names(ledger) == set()

    def test_are_retired_with_it(self, ledger, place):
        ledger.write(record(files={"predictions": "deep/some.npz"}), place)
        ledger.retire(record().id)
        assert self.names(ledger) == set()
        assert self.names(ledger, "retired") == {f"{record().id}.json", "predictions.npz"}

    def test_of_a_former_attempt_are_replaced(self, ledger, place):
        ledger.write(record("failed", files={"old": "deep/some.npz"}), place)
        (place / "deep" / "some.npz").write_bytes(b"again")
        ledger.write(record(files={"predictions": "deep/some.npz"}), place)
        (kept,) = ledger.read_all().values()
        assert self.names(ledger) == {f"{kept.id}.json", "predictions.npz"}
        assert self.contents(ledger, kept) == b"again"

    def test_missing_ones_leave_no_record(self, ledger, place):
        with pytest.raises(FileNotFoundError):
            ledger.write(record(files={"predictions": "deep/none.npz"}), place)
        assert ledger.ids() == set()

    def test_leftovers_of_a_killed_writer_do_no_harm(self, ledger, place):
        ledger.write(record(files={"predictions": "deep/some.npz"}), place)
        ledger.fs.rm_file(f"{ledger.root}/trials/{record().id}.json")
        ledger.write(record())
        assert self.names(ledger) == {f"{record().id}.json"}
