"""What goes over the pipe between the driver and the process that fills MLflow: one message a line, as JSON."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from study.records.record import TrialRecord
from trainables import Trial


@dataclass(frozen=True)
class About:
    """What the experiment's description says: losses (label -> text), what is swept, and by
    loss how many trials are planned and which hyperparameters are fixed."""

    name: str
    description: str
    data: str
    metric: str
    seeds: list[int]
    losses: dict[str, str]
    swept: list[str]
    planned: dict[str, int]
    fixed: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """Which experiment to fill, and where. Always the first message.

    `database` is the file of an sqlite database that may be made, `artifacts` a place for a new experiment's files
    (None where the server decides), `templates` a folder for the empty database that is copied, `source` the tags that
    say who ran what.
    """

    uri: str
    study: str
    database: Path | None
    artifacts: str | None
    templates: Path
    source: dict[str, str] = field(default_factory=dict)
    kind: Literal["setup"] = "setup"


@dataclass(frozen=True)
class Check:
    """Does the server answer? Answered by `Checked`."""

    kind: Literal["check"] = "check"


@dataclass(frozen=True)
class Start:
    """Open the experiment of a study, known by its identity; `facts` are kept there as JSON, retired trials leave.

    Of several processes each takes its share of the trials; number 0 also does what is done once.
    """

    identity: str
    about: About
    facts: dict[str, Any]
    retired: list[str] = field(default_factory=list)
    number: int = 0
    of: int = 1
    kind: Literal["start"] = "start"

    def has(self, trial_id: str) -> bool:
        """Whether a trial is this process's."""
        return share_of(trial_id, self.of) == self.number


def share_of(trial_id: str, num_processes: int) -> int:
    """Which process tracks a trial."""
    return int(trial_id, 16) % num_processes


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
class Summary:
    """What a parent run shows: metrics, and words as tags."""

    numbers: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Summarize:
    """What the parent runs show, by loss."""

    summaries: dict[str, Summary]
    kind: Literal["summarize"] = "summarize"


@dataclass(frozen=True)
class Finish:
    """Try again what was missed, for so many seconds; close what is open. Answered by `Finished`."""

    limit_s: float
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
class Left:
    """How many trials are still to be tracked by this process."""

    number: int
    kind: Literal["left"] = "left"


@dataclass(frozen=True)
class Outage:
    """The server stopped to answer."""

    text: str
    kind: Literal["outage"] = "outage"


@dataclass(frozen=True)
class Said:
    """Something that a user may read."""

    text: str
    kind: Literal["said"] = "said"


Order = Setup | Check | Start | Announce | Submit | Summarize | Finish
Answer = Checked | Finished | Left | Outage | Said
Message = Order | Answer
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def to_line(message: Message) -> str:
    """One line of JSON; floats that are not finite become null."""
    return _ADAPTER.dump_json(message).decode() + "\n"


def from_line(line: str) -> Message:
    """What `to_line` wrote."""
    return _ADAPTER.validate_json(line)
