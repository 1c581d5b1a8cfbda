"""What every worker of a run is told once: where things lie, what is trained and measured."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from evenkeel.study.file.study import StudyConfig
from evenkeel.trainables import Trial
from evenkeel.trainables.cache import default_cache
from evenkeel.trainables.data.settings import without_validation
from evenkeel.trainables.epochs import EpochJudge
from evenkeel.trainables.measures import ALWAYS


class Judge(EpochJudge, Protocol):
    """Judges epochs, and is told which trials went through all of theirs."""

    @property
    def score(self) -> str: ...

    def finish(self, trial: Trial) -> None: ...


STOPPING_FILE = "stopping"
"""A file in the study's folder that says: begin no further pack. It reaches every node that can record."""


@dataclass(frozen=True)
class WorkerContext:
    """What a worker needs besides the trials. None of it decides a result.

    `data` and `trainable` are their settings as JSON, `python_path` the folders of a user's own modules
    (empty: those that the process knows), `gpus` a share
    of one, `memory_gib` what a pack may take (None: what is free).
    """

    study: str
    storage: str
    cache: str
    data: dict[str, Any]
    trainable: dict[str, Any]
    device: str = "cpu"
    gpus: float = 0
    memory_gib: float | None = None
    python_path: list[str] = field(default_factory=list)
    measures: tuple[str, ...] = ALWAYS
    scores: tuple[str, ...] = ()
    """Which of a trial's metrics the driver hears: a search needs them before the record is read."""
    trial_limit: float | None = None
    """Seconds that a trial may take."""
    stopping_file: str = STOPPING_FILE
    metric: str = ""
    """What the study is judged by: every trial must have it."""
    validated: bool = True
    """Whether there are validation rows, so that it must have it on those too."""
    one_by_one: bool = False
    """Whether trials of a pack run one after the other: what one raises then ends no other."""
    own_process: bool = False
    """Whether a worker is a process that may be ended alone."""
    judge: Judge | None = None
    """Who says after each epoch of a search's trial whether it goes on; nobody where none ends early."""


def runs_one_by_one(trainable: object) -> bool:
    """Whether a trainable says `one_by_one = True`: it gains nothing from trials that share seed and settings."""
    return bool(getattr(trainable, "one_by_one", False))


def make_context(config: StudyConfig, storage: str, python_path: tuple[str, ...] = ()) -> WorkerContext:
    """The context of a study's workers; `storage` is the folder or URL of its records."""
    settings = config.model_dump(mode="json", include={"data", "trainable"})
    return WorkerContext(
        study=config.name,
        storage=storage,
        cache=default_cache(),
        **settings,
        device=config.resources.device or ("cuda" if config.resources.gpus else "cpu"),
        gpus=config.resources.gpus,
        memory_gib=config.resources.memory_gib,
        trial_limit=config.resources.trial_limit,
        python_path=list(python_path),
        measures=config.all_measures,
        scores=config.searched,
        metric=config.metric,
        validated=not without_validation(config.data.validation),
        one_by_one=runs_one_by_one(config.trainable),
    )
