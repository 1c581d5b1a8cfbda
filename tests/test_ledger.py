"""The ledger is the truth: atomic, checked, never doubled."""

import hashlib
import io
import json
import time
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenkeel.study.errors import StorageError, UserError
from evenkeel.study.records import parquet
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import StudyRecord, TrialRecord
from evenkeel.study.records.table import make_row, table_from_ledger
from tests.synthetic import study
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


@pytest.mark.parametrize("error", [RuntimeError("no credentials"), PermissionError(13, "denied"), ImportError("gcsfs")])
def test_a_place_that_lets_nobody_in_is_one_line(error, ledger, monkeypatch):
    """Each file system of fsspec has errors of its own; no study is another thing."""

    def refused(self, name):
        raise error

    assert ledger.read_study() is None
    monkeypatch.setattr(Folder, "read", refused)
    with pytest.raises(StorageError, match="cannot be read.*may this user read there"):
        ledger.read_study()


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


def signed(text, **changes):
    """The record with changes, and with the hash that belongs to them: only the other checks can tell."""
    contents = json.loads(text) | changes
    del contents["sum"]
    return json.dumps(
        contents | {"sum": hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]}
    )


DAMAGE = [
    (lambda text: text[: len(text) // 2], "not a whole trial record"),
    (lambda text: "", "not a whole trial record"),
    (lambda text: "[]", "not a trial record"),
    (lambda text: text.replace("0.5", "0.7"), "not those that were written"),
    (lambda text: signed(text, stat="done"), "unknown keys stat"),
    (lambda text: signed(text, version=99), "newer evenkeel"),
    (lambda text: signed(text, files={"a": "../../b"}), "lies elsewhere"),
    (lambda text: signed(text, study="other"), "belongs to the study 'other'"),
    (lambda text: signed(text, id="0" * 16), "does not belong to the trial whose id it bears"),
    (lambda text: signed(text, state="gone"), "state: Input should be 'done', 'diverged', 'failed' or 'censored'"),
]


@pytest.mark.parametrize(("damage", "why"), DAMAGE)
def test_a_damaged_record_is_left_out_and_set_aside(tmp_path, damage, why):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(record(seed=1))
    ledger.write(record())
    path = tmp_path / "trials" / f"{record().id}.json"
    path.write_text(damage(path.read_text()))
    assert set(ledger.read_all()) == set(ledger.entries()) == {record(seed=1).id}
    (damaged,) = ledger.damaged
    assert damaged.name == f"trials/{path.name}" and why in damaged.why
    ledger.set_aside(ledger.damaged)
    assert ledger.ids() == {record(seed=1).id} and (tmp_path / "set-aside" / path.name).exists()
    ledger.write(record())
    assert len(ledger.read_all()) == 2 and not ledger.damaged


def test_no_flipped_bit_goes_unnoticed(tmp_path, rng):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    ledger.write(wanted := record())
    (path,) = (tmp_path / "trials").glob("*.json")
    content = path.read_bytes()
    for at in rng.integers(0, 8 * len(content), 300):
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        assert ledger.read_all() in ({}, {wanted.id: wanted})
    assert len(ledger.damaged) == 1


class TestPacked:
    """Closed records in files of many; the JSON in them is what stood in their own files."""

    @pytest.fixture
    def full(self, ledger, monkeypatch):
        monkeypatch.setattr(parquet, "RECORDS_A_FILE", 4)
        monkeypatch.setattr(parquet, "RECORDS_A_ROW_GROUP", 2)
        for seed in range(10):
            ledger.write(record("failed" if seed == 9 else "done", seed=seed))
        return ledger

    def test_packing_changes_nothing_that_is_read(self, full):
        before, entries, ids = full.read_all(), full.entries(), full.ids()
        assert full.pack() == 9 and len(full.folder.names("packed", ".parquet")) == 3
        assert (full.read_all(), full.entries(), full.ids()) == (before, entries, ids)
        assert full.folder.names("trials", ".json") == [f"trials/{record(seed=9).id}.json"]
        assert full.pack() == 0

    def test_entries_hold_the_scores_that_are_asked_for_and_little_else(self, full):
        """A study of a million trials fits into memory."""
        scored = record(seed=10, metrics={"val_f1": 0.25, "val_map": 0.5, "test_f1": 1.0})
        full.write(scored)
        for _ in range(2):  # in a file of its own, then in one of many
            assert full.entries(["val_f1"])[scored.id].scores == {"val_f1": 0.25}
            assert not any(entry.scores for entry in full.entries().values())
            full.pack()
        found = full.entries().values()
        assert len({id(entry.identity) for entry in found}) == 1 and len({id(entry.state) for entry in found}) == 2

    def test_is_read_without_us(self, full):
        full.pack()
        (first, *_) = full.folder.names("packed", ".parquet")
        table = pd.read_parquet(io.BytesIO(full.folder.read(first)))
        assert set(table.label) == {"ral"} and json.loads(table.record[0])["id"] == table.id[0]

    def test_killed_between_packing_and_removing_doubles_nothing(self, full, monkeypatch):
        before = full.read_all()
        with monkeypatch.context() as patch:
            patch.setattr(full.folder, "remove", lambda *names: None)
            full.pack()
        assert full.read_all() == before and len(full.folder.names("trials", ".json")) == 10
        assert full.pack() == 0 and full.read_all() == before
        assert len(full.folder.names("trials", ".json")) == 1

    def test_numbers_that_are_read_by_column_are_those_of_the_records(self, full):
        """Of trials that have other metrics, none, nothing that is finite, or images of another number of groups."""
        for seed, metrics, images in (
            (20, {"test_f1": 0.5, "val_f1": None}, {"test_f1": [0.1, None, 0.3]}),
            (21, {"test_f1": float("nan")}, {"test_f1": [0.1]}),
            (22, {}, {}),
        ):
            full.write(record(seed=seed, metrics=metrics, images=images))
        full.pack()
        whole = full.read_all()
        closed = [block for block in full.blocks() if isinstance(block, parquet.Block)]
        assert sum(len(block.facts["id"]) for block in closed) == 12
        for block in closed:
            for i, trial_id in enumerate(block.facts["id"]):
                recorded = whole[trial_id]
                assert block.facts["seed"][i] == recorded.trial.seed and block.facts["host"][i] == recorded.host
                for name, values in block.metrics.items():
                    assert values[i] == pytest.approx(float(recorded.metrics.get(name) or "nan"), nan_ok=True)
                for name, arrays in block.arrays.items():
                    given = recorded.images.get(name.removeprefix("images."))
                    held = None if arrays[i] is None else [None if v != v else v for v in arrays[i].tolist()]
                    assert held == (given and [v and pytest.approx(v, rel=1e-7) for v in given])

    def test_a_table_is_the_same_from_packed_records_and_from_loose_ones(self, full):
        """Whatever a record says: its table knows nothing of how it was stored."""
        words = {"note": "a\nnote", "machine": {"gpu": "H"}, "versions": {"torch": "3", "a": "1"}, "loss_path": "fused"}
        moved = replace(trial(seed=20), design="sweep", moved="clip", settings={"lr": 0.1})
        full.write(replace(record(images={"test_f1": [0.1, None, 0.3]}, **words), trial=moved))
        loose = table_from_ledger(full, study())
        full.pack()
        assert any(isinstance(block, parquet.Block) for block in full.blocks())
        pd.testing.assert_frame_equal(table_from_ledger(full, study()), loose)

    def test_packed_while_all_are_read_each_is_read_once(self, full):
        wanted, reading = full.ids(), full.records()
        first = next(reading)
        assert Ledger(full.storage, full.study).pack() == 9
        assert sorted(found.id for found in (first, *reading)) == sorted(wanted)

    def test_a_packed_record_can_be_retired(self, full):
        full.pack()
        gone = record(seed=3).id
        full.retire([gone])
        assert gone not in full.ids() and full.retired_ids() == {gone} and len(full.read_all()) == 9

    @pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
    def test_damage_costs_little_and_blocks_nothing(self, full, damage):
        full.pack()
        before = full.read_all()
        (first, *_) = full.folder.names("packed", ".parquet")
        content = bytearray(full.folder.read(first))
        content[20] ^= 4  # in the first row group
        spoilt = {"flip": bytes(content), "truncate": bytes(content[:-9]), "empty": b""}[damage]
        full.folder.fs.pipe_file(full.folder.path_of(first), spoilt)
        assert 6 <= len(full.entries()) < 10 and [d.name for d in full.damaged] == [first]
        full.set_aside(full.damaged)
        kept = full.read_all()
        assert not full.damaged and kept.items() <= before.items() and len(kept) >= (8 if damage == "flip" else 6)


class TestFull:
    """A disk without room: one line that names the place, and nothing left behind."""

    @pytest.fixture
    def small(self, tmp_path, mount_disk):
        return mount_disk(tmp_path, "1m")

    def test_is_said_at_the_start(self, small):
        (small / "ballast").write_bytes(b"x" * 2**20)
        with pytest.raises(StorageError, match=f"{small}: cannot be written .No space left"):
            Ledger(str(small), "tiny").create()

    def test_leaves_whole_records_alone(self, small):
        ledger = Ledger(str(small), "tiny")
        ledger.create()
        with pytest.raises(StorageError, match="No space left"):
            for seed in range(1000):
                ledger.write(record(seed=seed, note="n" * 20_000))
        assert ledger.read_all() and not ledger.damaged and not ledger.folder.leftovers("trials")


def test_records_without_their_study_are_no_empty_folder(ledger):
    with pytest.raises(UserError, match="no study here yet; start it with: evenkeel run s"):
        ledger.require_study("evenkeel run s")
    ledger.write(record())
    with pytest.raises(UserError, match="study.json is lost or not readable; make it again with: evenkeel run s"):
        ledger.require_study("evenkeel run s")


def test_a_folder_of_another_study_is_refused(tmp_path):
    first = Ledger(str(tmp_path), "first")
    first.create()
    first.write_study(StudyRecord({"name": "first"}, {}))
    with pytest.raises(UserError, match="holds the study 'first', not 'second'"):
        Ledger(str(tmp_path), "second").create()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Ledger(str(tmp_path / "file" / "sub"), "tiny").create()
    with pytest.raises(StorageError, match="/proc/none/here: cannot be written"):
        Ledger("/proc/none/here", "tiny").create()


def test_retired_records_are_kept_but_not_read(ledger):
    ledger.write(record())
    (trial_id,) = ledger.ids()
    ledger.retire([trial_id])
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
    del old["sum"], old["files"], old["trial"]["moved"]
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
        return ledger.folder.fs.cat_file(ledger.file(record, name))

    def names(self, ledger, folder="trials"):
        return {path.rpartition("/")[2] for path in ledger.folder.fs.find(ledger.folder.path_of(folder))}

    def test_move_with_the_record(self, ledger, place):
        ledger.write(record(files={"predictions": "deep/some.npz"}), place)
        (kept,) = ledger.read_all().values()
        assert kept.files == {"predictions": "predictions.npz"} and self.contents(ledger, kept) == b"scores"
        assert not (place / "deep" / "some.npz").exists() and ledger.ids() == {kept.id}

    def test_are_removed_with_it(self, ledger, place):
        ledger.write(record("failed", files={"predictions": "deep/some.npz"}), place)
        ledger.remove(record().id)
        assert self.names(ledger) == set()

    def test_are_retired_with_it(self, ledger, place):
        ledger.write(record(files={"predictions": "deep/some.npz"}), place)
        ledger.retire([record().id])
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
        ledger.folder.remove(f"trials/{record().id}.json")
        ledger.write(record())
        assert self.names(ledger) == {f"{record().id}.json"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
WHOLE = record(per_class={"test_f1": [0.5]}, images={"test_f1": [0.1, 0.2]}, files={"scores": "scores.npz"})
FIELDS = [(key,) for key in WHOLE.to_json()] + [("trial", key) for key in WHOLE.to_json()["trial"]]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FIELDS), JSON | st.just("left out"), st.sampled_from([1, 2, 3]))
def test_a_record_of_any_contents_is_read_or_refused(place, value, version):
    """Also where its hash is right: a folder may come from anybody."""
    contents = WHOLE.to_json() | {"version": version}
    inner = contents
    for key in place[:-1]:
        inner = inner[key]
    if value == "left out":
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    if place != ("sum",) and version == 3:
        rest = {key: value for key, value in contents.items() if key != "sum"}
        contents["sum"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]
    try:
        found = TrialRecord.from_json(contents)
    except ValueError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert make_row(found.id, found).trial_id == IndexEntry.from_record(found).id == found.id
        assert TrialRecord.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("metrics", {"test_f1": "0.5"}, "metrics.test_f1"),
        ("curves", {"train_loss": 0.5}, "curves.train_loss"),
        ("state", "finished", "state"),
        ("note", {1, 2}, "set"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, field, value, place):
    """One line that names trial and field; nothing is left that a later run would set aside."""
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    wrong = replace(record(), **{field: value})
    with pytest.raises(ValueError, match=rf"result of trial {wrong.id} is nothing that can be recorded: .*{place}"):
        ledger.write(wrong)
    assert ledger.entries() == {} and not ledger.damaged


def test_scores_without_a_group_of_images_may_be_undefined(tmp_path):
    ledger = Ledger(str(tmp_path), "tiny")
    ledger.create()
    undefined = replace(record(), images={"test_mauc": [0.5, float("nan")]})
    ledger.write(undefined)
    assert ledger.read_all()[undefined.id].images == {"test_mauc": [0.5, None]}
