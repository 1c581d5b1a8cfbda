"""What goes over the pipe between the driver and the process that fills MLflow: one message a line, as JSON."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from study.records.record import TrialRecord
from trainables import Trial


@dataclass(frozen=True)
class Setup:
    """Which experiment to fill, and where. Always the first message.

    `database` is the file of an sqlite database that may be made, `artifacts` a place for a new experiment's files
    (None where the server decides), `templates` a folder for the empty database that is copied.
    """

    uri: str
    study: str
    database: Path | None
    artifacts: str | None
    templates: Path
    kind: Literal["setup"] = "setup"


@dataclass(frozen=True)
class Check:
    """Does the server answer? Answered by `Checked`."""

    kind: Literal["check"] = "check"


@dataclass(frozen=True)
class Start:
    """Open the experiment of a study (its facts as JSON); runs of retired trials leave."""

    facts: dict[str, Any]
    retired: list[str]
    kind: Literal["start"] = "start"


@dataclass(frozen=True)
class Announce:
    """These trials run from now on (seconds since the epoch)."""

    trials: list[Trial]
    now: float
    kind: Literal["announce"] = "announce"


@dataclass(frozen=True)
class Submit:
    """Track this record."""

    record: TrialRecord
    kind: Literal["submit"] = "submit"


@dataclass(frozen=True)
class Finish:
    """Try again what was missed, close what is open. Answered by `Finished`."""

    kind: Literal["finish"] = "finish"


@dataclass(frozen=True)
class Checked:
    """None, or why the server does not answer."""

    problem: str | None
    kind: Literal["checked"] = "checked"


@dataclass(frozen=True)
class Finished:
    """How many trials are still missing in MLflow."""

    missing: int
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True)
class Outage:
    """The server stopped to answer."""

    text: str
    kind: Literal["outage"] = "outage"


Message = Annotated[
    Setup | Check | Start | Announce | Submit | Finish | Checked | Finished | Outage, Field(discriminator="kind")
]
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Message)


def to_line(message: Message) -> str:
    """One line of JSON; floats that are not finite become null."""
    return _ADAPTER.dump_json(message).decode() + "\n"


def from_line(line: str) -> Message:
    """What `to_line` wrote."""
    return _ADAPTER.validate_json(line)
