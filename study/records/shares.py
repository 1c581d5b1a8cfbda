"""What trials of a study share (features, warm-started weights), beside its records, for nodes that did not make it.

`shared/<key>.json` names the content hash that counts; only the first of many can write it. The bytes lie in
`shared/<hash>/`, whole before any name leads to them.
"""

import json
import time
from pathlib import Path

from evenkeel.study.records.folder import Folder
from evenkeel.trainables.study_shares import SharesLost, content_hash

READS, PAUSE_S = 20, 0.1
"""A file that another makes right now may be empty for a moment."""
ONE_FILE = "content"


class RecordedShares:
    """See `evenkeel.trainables.study_shares.StudyShares`; what was once read of a key stays."""

    def __init__(self, location: str) -> None:
        self.folder = Folder(location)
        self.hashes: dict[str, str] = {}

    def fixed(self, key: str) -> str | None:
        """The content hash that the study uses for `key`; None when nobody has made it yet."""
        if key not in self.hashes and (recorded := self._read(key)):
            self.hashes[key] = recorded
        return self.hashes.get(key)

    def offer(self, key: str, path: Path, digest: str) -> str:
        """Leave `path` there; returns the hash that counts."""
        self._put(path, digest)
        if not self.folder.write_new(_name(key), _text(digest)):
            for _ in range(READS):
                if fixed := self.fixed(key):
                    return fixed
                time.sleep(PAUSE_S)
            self.folder.write(_name(key), _text(digest))  # emptied by a full disk, or its writer was killed
        self.hashes[key] = digest
        return digest

    def replace(self, key: str, path: Path, digest: str) -> None:
        """Use these from now on."""
        self._put(path, digest)
        self.folder.write(_name(key), _text(digest))
        self.hashes[key] = digest

    def fetch(self, digest: str, path: Path) -> None:
        """Write the bytes to `path`. Raises SharesLost for bytes that are not there, or are others."""
        place = _place(digest)
        names = self.folder.find(place)
        if not names:
            raise SharesLost(f"{self.folder.location}/{place}: is not there")
        if names != [f"{place}/{ONE_FILE}"]:
            path.mkdir()
        for name in names:
            target = path if name == f"{place}/{ONE_FILE}" else path / name.removeprefix(f"{place}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folder.fs.get_file(self.folder.path_of(name), str(target))
        if content_hash(path) != digest:
            raise SharesLost(f"{self.folder.location}/{place}: its bytes are not those that were made")

    def _read(self, key: str) -> str | None:
        try:
            return str(json.loads(self.folder.read(_name(key)))["hash"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _put(self, path: Path, digest: str) -> None:
        place = _place(digest)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (file for file in files if file.is_file()):
            self.folder.put(file, f"{place}/{file.relative_to(path).as_posix() if path.is_dir() else ONE_FILE}")


def _name(key: str) -> str:
    return f"shared/{key}.json"


def _place(digest: str) -> str:
    return f"shared/{digest}"


def _text(digest: str) -> bytes:
    return json.dumps({"hash": digest}).encode()
