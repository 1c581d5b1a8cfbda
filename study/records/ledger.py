"""The trial ledger: one small record per trial, written by the worker the moment the trial ends. It is the truth.

A reader never sees half of a record. `trials/` holds one file a record; those that are closed for good move, thousands
at a time, into `packed/` (study/records/parquet.py). What cannot be read is left out, and set aside by the next run.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, TypeVar

from evenkeel.study.errors import UserError
from evenkeel.study.records import parquet
from evenkeel.study.records.hashed_names import is_intact, number_in
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.records.study_folder import StudyFolder
from evenkeel.study.records.typed_json import parse_json
from evenkeel.trainables.result import State, is_below

T = TypeVar("T")

FINAL_STATES: tuple[State, ...] = ("done", "diverged", "censored")
"""A trial in one of these never runs again."""
TUNE_FOLDER = ".tune"
"""Ray Tune's own files, where all nodes see them; nothing of them is ever read again."""


@dataclass(frozen=True)
class DamagedFile:
    """A file of records that cannot be read, and why."""

    name: str
    why: str


class Ledger(StudyFolder):
    """The records of one study under `storage`. `damaged` is what the last reading of all records had to leave out."""

    def __init__(self, storage: str, study: str) -> None:
        super().__init__(storage)
        self.study = study
        self.damaged: list[DamagedFile] = []

    def create(self) -> None:
        """Make the folder. Raises UserError (StorageError) when it belongs to another study (cannot be written)."""
        owner = self.read_study()
        if owner and owner.name != self.study:
            raise UserError(
                f"{self.storage}: this folder holds the study {owner.name!r}, not {self.study!r}; "
                "give another --storage, or the right study file"
            )
        self.folder.create("trials")

    def write(self, record: TrialRecord, place: Path = Path()) -> None:
        """Record a trial. A trial that is already done stays as it is.

        `record.files` are paths (under `place`, where they are relative) of files that move beside the record, all
        before it: whoever reads a record finds its files. Raises OSError when one is not there, and ValueError for a
        record that could not be read again: it is checked by the code that reads it.
        """
        if (before := self._loose(record.id)) and before.state == "done":
            return
        names = {name: f"{name}{PurePath(path).suffix}" for name, path in record.files.items()}
        text = replace(record, files=names).to_text()  # before its files move
        self.folder.remove_tree(_files(record.id))
        if names:
            self._move_files(record, place, names)
        self.folder.write(_name(record.id), text.encode())

    def file(self, record: TrialRecord, name: str) -> str:
        """Where the file `name` of a record lies, as a path of `folder.fs`."""
        return self.folder.path_of(f"{_files(record.id)}/{record.files[name]}")

    def read_file(self, trial_id: str, name: str) -> bytes:
        """What a file beside a record holds. Raises FileNotFoundError."""
        return self.folder.read(f"{_files(trial_id)}/{name}")

    def find(self, trial_id: str) -> TrialRecord | None:
        """The record of a trial that was just recorded; None when there is none (or it cannot be read)."""
        return self._loose(trial_id)

    def entries(self, scores: Collection[str] = ()) -> dict[str, IndexEntry]:
        """What is recorded, by trial id in order, in short, with the named scores. Records that cannot be read are
        listed in `damaged`."""
        self.damaged = []
        loose = {record.id: IndexEntry.from_record(record, scores) for record in self._read_loose()}
        closed = {e.id: e for e in self._read_packed(lambda content: parquet.read_entries(content, scores))}
        return dict(sorted((loose | closed).items()))

    def blocks(self) -> Iterator[parquet.Block | list[TrialRecord]]:
        """All records, those of one file together; one that moved meanwhile may come twice. As with `records`."""
        self.damaged = []
        mappings: dict[str, dict[str, Any]] = {}
        yield from self._loose_parts()  # first, or one that is packed meanwhile is missed
        yield from self._read_packed(lambda content: [parquet.read_block(content, mappings)])

    def records(self) -> Iterator[TrialRecord]:
        """All records, each once and one at a time. Those that cannot be read are listed in `damaged`."""
        self.damaged, read = [], set()
        closed = self._read_packed(parquet.records)
        for record in chain(self._read_loose(), closed):  # in this order, as in `blocks`
            if record.id not in read:
                read.add(record.id)
                yield record

    def read_all(self) -> dict[str, TrialRecord]:
        """All records by trial id, in order. Those that cannot be read are listed in `damaged`."""
        return {record.id: record for record in sorted(self.records(), key=lambda record: record.id)}

    def ids(self) -> set[str]:
        """Ids of all recorded trials; what lies in files of their own is not read."""
        return _ids(self.folder.names("trials", ".json")) | self._packed_ids()

    def num_loose(self) -> int:
        """How many records lie in files of their own."""
        return len(self.folder.names("trials", ".json"))

    def remove(self, trial_id: str) -> None:
        """Forget a record and its files (a failed trial that is to run again)."""
        self.folder.remove(_name(trial_id))
        self.folder.remove_tree(_files(trial_id))

    def retire(self, trial_ids: Collection[str]) -> None:
        """Set records and their files aside: kept in `retired/`, no longer part of the study."""
        self._unpack(trial_ids)
        for trial_id in trial_ids:
            if self.folder.exists(_files(trial_id)):
                self.folder.remove_tree(_files(trial_id, "retired"))
                self.folder.move(_files(trial_id), _files(trial_id, "retired"))
            self.folder.move(_name(trial_id), _name(trial_id, "retired"))

    def relabel(self, labels: Mapping[str, str]) -> None:
        """Give trials, by id, another label: what the study calls their loss, which is no part of what decides them."""
        self._unpack(labels)
        for trial_id, label in labels.items():
            if record := self._loose(trial_id):
                relabelled = replace(record, trial=replace(record.trial, label=label))
                self.folder.write(_name(trial_id), relabelled.to_text().encode())

    def _unpack(self, trial_ids: Collection[str]) -> None:
        """Give each record of the files that hold one of these a file of its own again, before theirs goes."""
        for name, records in self._packed_files(parquet.records) if trial_ids else ():
            if any(record.id in trial_ids for record in records):
                for record in records:
                    self.folder.write(_name(record.id), record.to_text().encode())
                self.folder.remove(name)

    def retired_ids(self) -> set[str]:
        """Ids of the records that were retired."""
        return _ids(self.folder.names("retired", ".json")) - self.ids()

    def set_aside(self, damaged: Iterable[DamagedFile]) -> None:
        """Move what cannot be read to `set-aside/`; what is still good in a file of many records is kept."""
        for file in damaged:
            with suppress(FileNotFoundError):  # another shard was faster
                if file.name.startswith("packed/"):
                    self._pack(parquet.salvage(self.folder.read(file.name)))
                self.folder.move(file.name, f"set-aside/{file.name.rpartition('/')[2]}")

    def pack(self, trial_ids: Iterable[str] | None = None) -> int:
        """Move closed records out of files of their own; returns how many. Killed at any point, nothing is lost:
        a record may stand twice for a while, and is the same in both."""
        already = self._packed_ids() if trial_ids is None else set()
        names = self.folder.names("trials", ".json") if trial_ids is None else [_name(i) for i in sorted(trial_ids)]
        self.folder.remove(*(name for name in names if _id(name) in already))
        names, num = [name for name in names if _id(name) not in already], 0
        for start in range(0, len(names), parquet.RECORDS_A_FILE):
            part = names[start : start + parquet.RECORDS_A_FILE]
            closed = [record for record in self._checked(part) if record.state in FINAL_STATES]
            self._pack(closed)
            self.folder.remove(*(_name(record.id) for record in closed))
            num += len(closed)
        return num

    def sweep(self) -> None:
        """Remove what runs and writers that were killed left; for when nobody writes."""
        self.folder.remove_tree(TUNE_FOLDER)
        for name in [*self.folder.leftovers("trials"), *self.folder.leftovers("packed")]:
            self.folder.remove_tree(name)

    def _pack(self, records: list[TrialRecord]) -> None:
        if records:
            numbers = [int(number_in(name)) for name in self.folder.names("packed", ".parquet")]
            content = parquet.pack_records(records)
            self.folder.fs.makedirs(self.folder.path_of("packed"), exist_ok=True)
            self.folder.write(f"packed/{parquet.file_name(max(numbers, default=0) + 1, content)}", content)

    def _packed_files(self, read: Callable[[bytes], Iterable[T]]) -> Iterator[tuple[str, list[T]]]:
        """Name of each whole file of many records, and what `read` finds in it."""
        for name in self.folder.names("packed", ".parquet"):
            try:
                content = self.folder.read(name)
                if not is_intact(name, content):
                    raise ValueError("its contents are not those that were written")
                yield name, list(read(content))
            except FileNotFoundError:
                raise  # a folder that another run changes
            except parquet.UNREADABLE as error:
                self._note(name, " ".join(str(error).split())[:200])

    def _read_packed(self, read: Callable[[bytes], Iterable[T]]) -> Iterator[T]:
        return (item for _, items in self._packed_files(read) for item in items)

    def _packed_ids(self) -> set[str]:
        return {entry.id for entry in self._read_packed(parquet.read_entries)}

    def _read_loose(self) -> Iterator[TrialRecord]:
        return chain.from_iterable(self._loose_parts())

    def _loose_parts(self) -> Iterator[list[TrialRecord]]:
        names = self.folder.names("trials", ".json")
        for start in range(0, len(names), parquet.RECORDS_A_FILE):
            yield list(self._checked(names[start : start + parquet.RECORDS_A_FILE]))

    def _checked(self, names: list[str]) -> Iterator[TrialRecord]:
        for name, content in self.folder.read_many(names).items():
            try:
                yield self._record(name, content)
            except FileNotFoundError:
                continue  # moved since the names were listed
            except (ValueError, OSError) as error:
                self._note(name, str(error))

    def _note(self, name: str, why: str) -> None:
        if DamagedFile(name, why) not in self.damaged:
            self.damaged.append(DamagedFile(name, why))

    def _record(self, name: str, content: bytes | Exception) -> TrialRecord:
        """Raises ValueError for what is no whole record of this study and name."""
        if isinstance(content, Exception):
            raise content
        try:
            contents = parse_json(content)
        except ValueError as error:
            raise ValueError(f"not a whole trial record ({error})") from error
        record = TrialRecord.from_json(contents)
        if record.study != self.study:
            raise ValueError(f"this record belongs to the study {record.study!r}")
        if record.id != _id(name):
            raise ValueError("the record does not belong to the trial of its name")
        return record

    def _loose(self, trial_id: str) -> TrialRecord | None:
        return next(self._checked([_name(trial_id)]), None)

    def _move_files(self, record: TrialRecord, place: Path, names: dict[str, str]) -> None:
        """Move the files of a record beside it, where they bear these names."""
        folder = self.folder
        for path in record.files.values():
            _check_inside(place, path)
        # Whole before it bears its name: whoever finds a record's files finds all of them.
        temporary = f"trials/.{record.id}.files.{id(record)}"
        with folder.writing():
            folder.fs.makedirs(folder.path_of(temporary), exist_ok=True)
            for name, path in record.files.items():
                folder.fs.put_file(str(place / path), folder.path_of(f"{temporary}/{names[name]}"))
            folder.move(temporary, _files(record.id))
        for path in record.files.values():
            (place / path).unlink()


def _check_inside(place: Path, path: str) -> None:
    """Raises FileNotFoundError, and ValueError for what a record must not take away from elsewhere."""
    (place / path).stat()
    if not is_below(place, path) or not (place / path).is_file():
        raise ValueError(f"the file {path!r} of a result is no file below its place, {place}")


def _name(trial_id: str, folder: str = "trials") -> str:
    return f"{folder}/{trial_id}.json"


def _files(trial_id: str, folder: str = "trials") -> str:
    return f"{folder}/{trial_id}.files"


def _id(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _ids(names: Iterable[str]) -> set[str]:
    return {_id(name) for name in names}
