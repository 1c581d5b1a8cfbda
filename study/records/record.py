"""One trial as it was recorded: the only list of a record's fields."""

import hashlib
import json
import math
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from evenkeel.study.plain_text import visible
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
        if not checked:
            check(cls, kept | {"trial": None})
            check(Trial, kept.get("trial"))
        record = cls(**kept | {"trial": Trial(**kept["trial"])})
        if checked:
            vars(record.trial)["id"] = contents["id"]
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


def parse_json(content: bytes | str) -> Any:
    """What JSON says. Raises ValueError for anything else, also for what is nested deeper than Python follows."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def check(cls: type, contents: Any) -> None:
    """Raises ValueError for values of other types than the fields of a dataclass have."""
    try:
        _shape(cls).model_validate(contents)
    except ValidationError as error:
        first = error.errors()[0]
        place = visible(".".join(map(str, first["loc"])) or cls.__name__)
        raise ValueError(f"not what was recorded ({place}: {first['msg']})") from error


@cache
def _shape(cls: type) -> type[BaseModel]:
    hints = get_type_hints(cls) | {"trial": None}
    kinds: dict[str, Any] = {
        f.name: (hints[f.name], ... if f.default is f.default_factory is MISSING else None) for f in fields(cls)
    }
    return create_model(cls.__name__, __config__=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False), **kinds)


def _is_whole(contents: dict[str, Any]) -> bool:
    written = {key: value for key, value in contents.items() if key != "sum"}
    return _sum(written) == contents.get("sum")


def _sum(contents: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]


def finite(value: object) -> Any:
    """A value of JSON with None in place of floats that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
