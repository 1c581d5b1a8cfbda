"""A note in the study's folder that MLflow has everything: a run with nothing missing need not ask it."""

import hashlib
import json
from collections.abc import Iterable

from evenkeel.study.file.locations import TrackingUri
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.typed_json import parse_json

RECEIPT_FILE = "tracked.json"


class TrackingReceipt:
    """The note for one tracking URI; of the URI it keeps a hash, since it may hold a password."""

    def __init__(self, folder: Folder, uri: TrackingUri) -> None:
        self.folder, self.uri = folder, uri

    def holds(self, recorded: Iterable[str]) -> bool:
        """Whether MLflow was filled with exactly this, and a database of ours is still there."""
        try:
            note = parse_json(self.folder.read(RECEIPT_FILE))
        except (FileNotFoundError, ValueError):
            return False
        return note == self._note(recorded) and (self.uri.database is None or self.uri.database.exists())

    def write(self, recorded: Iterable[str]) -> None:
        """Note that MLflow has this."""
        self.folder.write(RECEIPT_FILE, json.dumps(self._note(recorded)).encode())

    def _note(self, recorded: Iterable[str]) -> dict[str, str]:
        return {"uri": _hash([self.uri.raw]), "recorded": _hash(sorted(recorded))}


def list_recorded(entries: Iterable[IndexEntry], retired: Iterable[str]) -> list[str]:
    """What MLflow must have: a line for each recorded trial with its state, and for each retired one."""
    return [*(f"{entry.id} {entry.state}" for entry in entries), *sorted(retired)]


def _hash(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
