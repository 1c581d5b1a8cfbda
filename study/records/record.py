"""One trial as it was recorded: the only list of a record's fields."""

import hashlib
import json
import math
from dataclasses import dataclass, field, fields
from typing import Any

from trainables import Trial

VERSION = 3
"""1: the first; 2: `files`, and `moved` in the trial; 3: `sum`, a hash of all the rest."""
STATES = ("done", "diverged", "failed", "censored")


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """The trial, its state, its numbers, and where and when it ran. Times are seconds since the epoch."""

    study: str
    trial: Trial
    state: str
    started: float
    ended: float
    metrics: dict[str, float | None] = field(default_factory=dict)
    per_class: dict[str, list[float | None]] = field(default_factory=dict)
    images: dict[str, list[float]] = field(default_factory=dict)
    """A test metric without each group of test images, by column name."""
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    epochs_done: int = 0
    wall_s: float = 0.0
    loss_path: str = ""
    note: str | None = None
    pack: int | None = None
    host: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Large results by name: file names in the record's folder, removed and retired with it."""

    @property
    def id(self) -> str:
        """The trial's id."""
        return self.trial.id

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; floats that are not finite become None. `sum` is a hash of the rest."""
        contents = _finite({"version": VERSION, "id": self.id, **vars(self), "trial": self.trial.__getstate__()})
        return contents | {"sum": _sum(contents)}

    @classmethod
    def from_json(cls, contents: dict[str, Any], *, checked: bool = False) -> "TrialRecord":
        """Read what `to_json` of this or an earlier version wrote. Raises ValueError for anything else.

        `checked` says that the contents are known to be whole: their hash is not worked out again.
        """
        if not isinstance(contents, dict) or not isinstance(contents.get("version"), int):
            raise ValueError("not a trial record")
        if contents["version"] > VERSION:
            raise ValueError(f"written by a newer evenkeel (record version {contents['version']})")
        written = {key: value for key, value in contents.items() if key != "sum"}
        if contents["version"] >= 3 and not checked and _sum(written) != contents.get("sum"):
            raise ValueError("its contents are not those that were written")
        kept = {key: value for key, value in written.items() if key not in ("version", "id")}
        if unknown := sorted(kept.keys() - {f.name for f in fields(cls)}):
            raise ValueError(f"unknown keys {', '.join(unknown)}")
        try:
            record = cls(**kept | {"trial": Trial(**kept["trial"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a trial record ({error})") from error
        if not all(name and "/" not in name and not name.startswith(".") for name in record.files.values()):
            raise ValueError("a file of the record lies elsewhere")
        if record.state not in STATES or record.id != contents.get("id"):
            raise ValueError("the record does not belong to the trial whose id it bears")
        return record


@dataclass(frozen=True)
class StudyRecord:
    """The study as it was run last: its resolved file, what a report must know of it (as JSON), and its identity.

    The identity tells two studies of one name apart; one of a version up to 0.2.0 has none until it runs again.
    """

    config: dict[str, Any]
    summary: dict[str, Any]
    identity: str = ""

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.config.get("name"))


def _sum(contents: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]


def _finite(value: object) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
