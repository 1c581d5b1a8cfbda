"""The trial ledger: one small record per trial, written by the worker the moment the trial ends. It is the truth.

A record is written under a temporary name and renamed, so a reader never sees half of one. The folder may lie on a
local disk, NFS or an object store (anything fsspec opens).
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any
from uuid import uuid4

import fsspec
from filelock import FileLock, Timeout
from fsspec.core import url_to_fs

from study.errors import UserError
from study.records.record import StudyRecord, TrialRecord

WAY_OUT = "move the file away and run again: only this trial is repeated"


class Ledger:
    """The records of one study under `storage`."""

    def __init__(self, storage: str, study: str) -> None:
        self.storage = storage
        self.study = study

    @cached_property
    def _fs_root(self) -> tuple[fsspec.AbstractFileSystem, str]:
        return url_to_fs(self.storage)

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        return self._fs_root[0]

    @property
    def root(self) -> str:
        return self._fs_root[1]

    def create(self) -> None:
        """Make the folder; raises UserError when it cannot be written or belongs to another study."""
        owner = self.read_study()
        if owner and owner.name != self.study:
            raise UserError(
                f"{self.storage}: this folder holds the study {owner.name!r}, not {self.study!r}; "
                "give another --storage, or the right study file"
            )
        try:
            self.fs.makedirs(f"{self.root}/trials", exist_ok=True)
            trace = f"{self.root}/.write-{os.getpid()}"
            self.fs.pipe_file(trace, b"")
            self.fs.rm_file(trace)
        except OSError as error:
            raise UserError(f"{self.storage}: cannot be written ({error}); give another --storage") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second run off a local folder; the lock dies with its process, however that ends."""
        if not self._is_local:
            yield
            return
        lock = FileLock(f"{self.root}/.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise UserError(f"{self.storage}: another run of this study is going on; wait for it or stop it") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def _is_local(self) -> bool:
        return "file" in self.fs.protocol or self.fs.protocol == "file"

    def read_study(self) -> StudyRecord | None:
        """What was written by `write_study`, or None for a new folder."""
        path = f"{self.root}/study.json"
        if not self.fs.exists(path):
            return None
        try:
            return StudyRecord(**json.loads(self.fs.cat_file(path)))
        except (ValueError, TypeError) as error:
            raise UserError(f"{self.storage}/study.json: not readable ({error}); restore or delete it") from error

    def write_study(self, study: StudyRecord) -> StudyRecord:
        """The resolved study, for status and reports. It keeps the identity that it was given at first."""
        before = self.read_study()
        study = replace(study, identity=(before and before.identity) or study.identity or uuid4().hex)
        self._write(f"{self.root}/study.json", asdict(study))
        return study

    def write(self, record: TrialRecord, place: Path = Path()) -> None:
        """Record a trial. A trial that is already done stays as it is.

        `record.files` are paths (under `place`, where they are relative) of files that move beside the record, all
        before it: whoever reads a record finds its files. Raises OSError when one is not there.
        """
        path = self._path(record.id)
        if self.fs.exists(path) and self.read(record.id).state == "done":
            return
        self._discard(self._files(record.id))
        if record.files:
            record = self._with_files(record, place)
        self._write(path, record.to_json())

    def file(self, record: TrialRecord, name: str) -> str:
        """Where the file `name` of a record lies, as a path of `fs`."""
        return f"{self._files(record.id)}/{record.files[name]}"

    def read(self, trial_id: str) -> TrialRecord:
        """One record. Raises UserError for a half-written or foreign one."""
        path = self._path(trial_id)
        return self._checked(path, self.fs.cat_file(path))

    def read_all(self) -> dict[str, TrialRecord]:
        """All records by trial id, in the order of their ids."""
        paths = self._paths()
        contents = self.fs.cat(paths) if paths else {}
        contents = {paths[0]: contents} if isinstance(contents, bytes) else contents
        records = [self._checked(path, contents[path]) for path in paths]
        return {record.id: record for record in records}

    def ids(self) -> set[str]:
        """Ids of all recorded trials, without reading them."""
        return self._ids_in("trials")

    def remove(self, trial_id: str) -> None:
        """Forget a record and its files (a failed trial that is to run again)."""
        self.fs.rm_file(self._path(trial_id))
        self._discard(self._files(trial_id))

    def retire(self, trial_id: str) -> None:
        """Set a record and its files aside: kept in `retired/`, no longer part of the study."""
        self.fs.makedirs(f"{self.root}/retired", exist_ok=True)
        if self.fs.exists(self._files(trial_id)):
            self._discard(self._files(trial_id, "retired"))
            self.fs.mv(self._files(trial_id), self._files(trial_id, "retired"), recursive=True)
        self.fs.mv(self._path(trial_id), f"{self.root}/retired/{trial_id}.json")

    def retired_ids(self) -> set[str]:
        """Ids of the records set aside."""
        return self._ids_in("retired") - self.ids()

    def _ids_in(self, folder: str) -> set[str]:
        return {path.rpartition("/")[2].removesuffix(".json") for path in self._paths(folder)}

    def _paths(self, name: str = "trials") -> list[str]:
        folder = f"{self.root}/{name}"
        if not self.fs.exists(folder):
            return []
        self.fs.invalidate_cache(folder)
        return sorted(
            p for p in self.fs.ls(folder, detail=False) if p.endswith(".json") and "/." not in p.removeprefix(folder)
        )

    def _path(self, trial_id: str) -> str:
        return f"{self.root}/trials/{trial_id}.json"

    def _files(self, trial_id: str, folder: str = "trials") -> str:
        return f"{self.root}/{folder}/{trial_id}.files"

    def _with_files(self, record: TrialRecord, place: Path) -> TrialRecord:
        """The record with its files moved beside it, named there by their name and suffix."""
        names = {name: f"{name}{PurePath(path).suffix}" for name, path in record.files.items()}
        temporary = f"{self.root}/trials/.{record.id}.files.{os.getpid()}"
        self.fs.makedirs(temporary, exist_ok=True)
        for name, path in record.files.items():
            self.fs.put_file(str(place / path), f"{temporary}/{names[name]}")
        self.fs.mv(temporary, self._files(record.id), recursive=True)
        for path in record.files.values():
            (place / path).unlink()
        return replace(record, files=names)

    def _discard(self, folder: str) -> None:
        if self.fs.exists(folder):
            self.fs.rm(folder, recursive=True)

    def _write(self, path: str, contents: dict[str, Any]) -> None:
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.{os.getpid()}"
        self.fs.pipe_file(temporary, json.dumps(contents, allow_nan=False).encode())
        if self._is_local:
            os.replace(temporary, path)
        else:
            self.fs.mv(temporary, path)

    def _checked(self, path: str, content: bytes) -> TrialRecord:
        try:
            record = TrialRecord.from_json(json.loads(content))
        except ValueError as error:
            raise UserError(f"{path}: not a whole trial record ({error}); {WAY_OUT}") from error
        if record.study != self.study:
            raise UserError(f"{path}: this record belongs to the study {record.study!r}; {WAY_OUT}")
        if f"{record.id}.json" != path.rpartition("/")[2]:
            raise UserError(f"{path}: the record does not belong to the trial of its name; {WAY_OUT}")
        return record
