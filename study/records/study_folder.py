"""What a folder of records says of its study: `study.json`, the study as it was resolved, and its `identity`."""

import json
import time
from dataclasses import asdict, replace
from uuid import uuid4

from evenkeel.study.errors import StorageError, UserError
from evenkeel.study.records.folder import Folder, ForeignFileError
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.records.typed_json import parse_json, read_as

IDENTITY_READS, IDENTITY_PAUSE_S = 10, 0.1
"""The file of an identity is empty for a moment while it is made, and for good where a full disk emptied it."""


class StudyFolder:
    """The folder or URL `storage`, whatever study it holds."""

    def __init__(self, storage: str) -> None:
        self.storage, self.folder = storage, Folder(storage)

    def read_study(self) -> StudyRecord | None:
        """What was written by `write_study`; None for a new folder and for a file that cannot be read any more.

        Raises StorageError for a place that does not answer or lets nobody in.
        """
        try:
            study = read_as(StudyRecord, parse_json(self.folder.read("study.json")))
            return study if study.name else None
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except StorageError:
            raise
        except ForeignFileError as error:
            raise StorageError(f"{self.storage}: cannot be read ({error}); ask whoever made this folder") from error
        except Exception as error:  # each of fsspec's file systems has errors of its own
            raise StorageError(
                f"{self.storage}: cannot be read ({error}); is the address right, does the place answer, and may this "
                "user read there?"
            ) from error

    def require_study(self, start: str = "evenkeel run") -> StudyRecord:
        """What `read_study` gives. Raises UserError, with the command to `start`, where it is nothing."""
        if (study := self.read_study()) is None:
            lost = self.folder.names("trials", ".json") or self.folder.names("packed", ".parquet")
            why = "study.json is lost or not readable; make it again" if lost else "no study here yet; start it"
            raise UserError(f"{self.storage}: {why} with: {start} (or give the right --storage)")
        return study

    def write_study(self, study: StudyRecord) -> StudyRecord:
        """The resolved study, for status and reports. It keeps the identity that it was given at first."""
        before = self.read_study()
        identity = (before and before.identity) or self._claim_identity(study.identity or uuid4().hex)
        if self._identity() != identity:  # once more than in study.json: MLflow knows the study by it
            self.folder.write("identity", identity.encode())
        study = replace(study, identity=identity)
        if study != before:
            self.folder.write("study.json", json.dumps(asdict(study), allow_nan=False).encode())
        return study

    def _claim_identity(self, identity: str) -> str:
        """`identity`, or that of another shard which was first."""
        if self.folder.write_new("identity", identity.encode()):
            return identity
        for _ in range(IDENTITY_READS):
            if first := self._identity():
                return first
            time.sleep(IDENTITY_PAUSE_S)
        return identity

    def _identity(self) -> str | None:
        try:
            return self.folder.read("identity").decode() or None
        except (FileNotFoundError, ValueError):
            return None
