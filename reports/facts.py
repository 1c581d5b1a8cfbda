"""What a report knows of a study besides its trials. Frozen, from and to JSON; written by `study`, read by sections."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ParameterFacts:
    """One hyperparameter as its space declares it; `low`, `high`, `log` of a number, `options` of a choice."""

    kind: str
    default: Any
    symbol: str
    source: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    options: tuple[Any, ...] = ()


@dataclass(frozen=True)
class LossFacts:
    """One loss of the study: its name, what the study fixed, all defaults, and what could vary."""

    loss: str
    fixed: dict[str, Any]
    defaults: dict[str, Any]
    space: dict[str, ParameterFacts]


@dataclass(frozen=True)
class MeasureFacts:
    """One declared measurement: columns `<split>_<name>` and `<split>_<name>_<part>` for each of `parts`."""

    title: str
    better: str = "higher"
    splits: tuple[str, ...] = ("val", "test")
    parts: tuple[str, ...] = ()
    headline: bool = False
    """Whether the page can be switched to it."""


@dataclass(frozen=True)
class DataFacts:
    """The data as the study splits it."""

    name: str
    classes: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    undefined: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyFacts:
    """The study as a whole. `trainable` are words for the header; `planned` counts trials by loss and design."""

    name: str
    description: str
    metric: str
    margin: float
    reduction: str
    seeds: tuple[int, ...]
    fresh_seeds: tuple[int, ...]
    data: DataFacts
    trainable: dict[str, str]
    planned: dict[str, dict[str, int]]
    losses: dict[str, LossFacts]
    measures: dict[str, MeasureFacts]
    chosen_by: str | None = None
    """The metric by which winners were chosen, when the page shows another."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
