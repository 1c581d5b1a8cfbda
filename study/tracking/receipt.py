"""A note in the study's folder that MLflow has everything: a run with nothing missing need not ask it."""

import hashlib
import json
from collections.abc import Iterable

from evenkeel.study.records.folder import Folder
from evenkeel.study.run.locations import TrackingUri

NAME = "tracked.json"


class Tracked:
    """The note for one tracking URI; of the URI it keeps a hash, since it may hold a password."""

    def __init__(self, folder: Folder, uri: TrackingUri) -> None:
        self.folder, self.uri = folder, uri

    def holds(self, recorded: Iterable[str]) -> bool:
        """Whether MLflow was filled with exactly this, and a database of ours is still there."""
        try:
            note = json.loads(self.folder.read(NAME))
        except (FileNotFoundError, ValueError):
            return False
        return note == self._note(recorded) and (self.uri.database is None or self.uri.database.exists())

    def write(self, recorded: Iterable[str]) -> None:
        """Note that MLflow has this."""
        self.folder.write(NAME, json.dumps(self._note(recorded)).encode())

    def _note(self, recorded: Iterable[str]) -> dict[str, str]:
        return {"uri": _hash([self.uri.raw]), "recorded": _hash(sorted(recorded))}


def _hash(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
