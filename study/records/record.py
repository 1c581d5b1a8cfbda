"""One trial as it was recorded: the only list of a record's fields."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

from evenkeel.study.plain_text import visible
from evenkeel.study.records.typed_json import in_unicode, read_as
from evenkeel.trainables import Trial
from evenkeel.trainables.result import Result

RECORD_VERSION = 6
"""1: the first; 2: `files`, and `moved` in the trial; 3: `sum`, a hash of all the rest; 4: `proposal` in the trial; 5:
`loss_source` in the trial; 6: `machine` and `shared`."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord(Result):
    """What a trial gave, whose it is, and where and when it ran. Times are seconds since the epoch.

    `files` are names in the record's folder, removed and retired with it. `machine` is the kind of machine that it ran
    on, `shared` the content hash of features or weights that it started from, where those are made for the study.
    """

    study: str
    trial: Trial
    started: float
    ended: float
    pack: int | None = None
    host: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    shared: str = ""

    @property
    def id(self) -> str:
        """The trial's id."""
        return self.trial.id

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; floats that are not finite become None. `sum` is a hash of the rest."""
        contents = finite({"version": RECORD_VERSION, "id": self.id, **vars(self), "trial": self.trial.__getstate__()})
        return contents | {"sum": _sum(contents)}

    def to_text(self) -> str:
        """The JSON of the record, read again to see that it can be. Raises ValueError, naming the field, if not."""
        try:
            text = json.dumps(self.to_json(), allow_nan=False)
            self.from_json(json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"the result of trial {self.id} is nothing that can be recorded: {error} (docs/adding_a_trainable.md)"
            ) from error
        return text

    @classmethod
    def from_json(cls, contents: dict[str, Any], *, checked: bool = False) -> "TrialRecord":
        """Read what `to_json` of this or an earlier version wrote. Raises ValueError for anything else.

        `checked` says that the contents are known to be whole: hash and id are not worked out again.
        """
        if not isinstance(contents, dict) or not isinstance(contents.get("version"), int):
            raise ValueError("not a trial record")
        if contents["version"] > RECORD_VERSION:
            raise ValueError(f"written by a newer evenkeel (record version {contents['version']})")
        kept = {key: value for key, value in contents.items() if key not in ("version", "id", "sum")}
        if contents["version"] >= 3 and not checked and not _is_whole(contents):
            raise ValueError("its contents are not those that were written")
        if unknown := sorted(kept.keys() - cls.__dataclass_fields__.keys()):
            raise ValueError(f"unknown keys {visible(', '.join(unknown))}")
        if checked:
            record = cls(**kept | {"trial": Trial(**kept["trial"])})
            vars(record.trial)["id"] = contents["id"]
        else:
            record = read_as(cls, kept)
        if not all(name and "/" not in name and not name.startswith(".") for name in record.files.values()):
            raise ValueError("a file of the record lies elsewhere")
        if record.id != contents.get("id"):
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
    sources: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the user's own code that the study names, by `module:Class`."""

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.config.get("name"))


def _is_whole(contents: dict[str, Any]) -> bool:
    written = {key: value for key, value in contents.items() if key != "sum"}
    return _sum(written) == contents.get("sum")


def _sum(contents: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]


def finite(value: object) -> Any:
    """A value of JSON with None in place of floats that are not finite, and `?` in place of what is no Unicode."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return in_unicode(value)
    if isinstance(value, dict):
        return {in_unicode(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
