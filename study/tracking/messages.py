"""What goes over the pipe between the driver and the process that fills MLflow: one message a line."""

from dataclasses import field
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from evenkeel.study.records.record import TrialRecord
from evenkeel.trainables import Trial


@dataclass(frozen=True)
class StudyDescription:
    """What the experiment's description says: losses (label -> text), what is swept, and by
    loss how many trials are planned and which hyperparameters are fixed. `classes` are named where trials show the
    scores of each."""

    name: str
    description: str
    data: str
    metric: str
    seeds: list[int]
    losses: dict[str, str]
    swept: list[str]
    planned: dict[str, int]
    fixed: dict[str, dict[str, str]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)


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


@dataclass(frozen=True)
class Check:
    """Does the server answer? Answered by `Checked`."""


@dataclass(frozen=True)
class OpenExperiment:
    """Open the experiment of a study, known by its identity; `facts` are kept there as JSON, retired trials leave.

    Of several processes each takes its share of the trials; number 0 also does what is done once.
    """

    identity: str
    about: StudyDescription
    facts: dict[str, Any]
    retired: list[str] = field(default_factory=list)
    number: int = 0
    num_processes: int = 1

    def has(self, trial_id: str) -> bool:
        """Whether a trial is this process's."""
        return assign_process(trial_id, self.num_processes) == self.number


def assign_process(trial_id: str, num_processes: int) -> int:
    """Which process tracks a trial."""
    return int(trial_id, 16) % num_processes


@dataclass(frozen=True)
class Announce:
    """These trials run from now on (seconds since the epoch)."""

    trials: list[Trial]
    now: float


@dataclass(frozen=True)
class Submit:
    """Track this record, with the files that its run shows: URLs that fsspec opens."""

    record: TrialRecord
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Retire:
    """These trials are no longer part of the study: their runs leave."""

    trials: list[str]


@dataclass(frozen=True)
class Attach:
    """Everything in a folder is shown as files by the run of a loss, by its label, or by the study's own."""

    folder: Path
    label: str | None = None


@dataclass(frozen=True)
class Summary:
    """What a parent run shows: metrics, and words as tags."""

    numbers: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Summarize:
    """What the parent runs show, by loss."""

    summaries: dict[str, Summary]


@dataclass(frozen=True)
class Finish:
    """Try again what was missed, for so many seconds; close what is open. Answered by `Finished`."""

    limit_s: float


@dataclass(frozen=True)
class Checked:
    """None, or why the server does not answer."""

    problem: str | None


@dataclass(frozen=True)
class Finished:
    """How many trials are still missing in MLflow."""

    missing: int


@dataclass(frozen=True)
class Opened:
    """The experiment of the study is found or made: its id."""

    experiment: str


@dataclass(frozen=True)
class Remaining:
    """How many trials are still to be tracked by this process."""

    number: int


@dataclass(frozen=True)
class Outage:
    """The server stopped to answer."""

    text: str


@dataclass(frozen=True)
class Recovered:
    """The server answers again, and has what it missed."""


@dataclass(frozen=True)
class Notice:
    """Something that a user may read."""

    text: str


Order = Setup | Check | OpenExperiment | Announce | Submit | Retire | Summarize | Attach | Finish
Answer = Checked | Finished | Remaining | Opened | Outage | Recovered | Notice
Message = Order | Answer
_ADAPTERS: dict[str, TypeAdapter[Message]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Message)}


def to_line(message: Message) -> str:
    """Its name and itself as JSON; floats that are not finite become null."""
    name = type(message).__name__
    return f"{name} {_ADAPTERS[name].dump_json(message).decode()}\n"


def from_line(line: str) -> Message:
    """What `to_line` wrote."""
    name, _, contents = line.partition(" ")
    return _ADAPTERS[name].validate_json(contents)
