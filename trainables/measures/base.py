"""What is measured of a trained trial: declared columns, computed for a whole pack from its evidence."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # declarations are read where torch is not wanted
    from torch import Tensor

Needs = Literal["scores", "embeddings", "gradients", "images"]


@dataclass(frozen=True)
class Column:
    """A declared measurement: `<split>_<name>`, and `<split>_<name>_<part>` for each part.

    `headline` columns are those that the report can be switched to and that a study can be judged by.
    """

    title: str
    better: Literal["higher", "lower"] = "higher"
    splits: tuple[str, ...] = ("val", "test")
    parts: tuple[str, ...] = ()
    headline: bool = False


@dataclass(frozen=True)
class Evidence:
    """What K trials predict. By split: scores [K, N, C], probabilities in float64, and targets [N, C].

    `known` [N, C] bool by split says where a label is known (a split that is not in it: everywhere); other entries have
    target 0 and must not count.
    """

    scores: "dict[str, Tensor]"
    targets: "dict[str, Tensor]"
    groups: dict[str, list[int]]
    """Class numbers of head, medium and tail classes."""
    known: "dict[str, Tensor]" = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Numbers of K trials by column name: `totals` [K], `per_class` [K, C]; NaN where undefined."""

    totals: "dict[str, Tensor]" = field(default_factory=dict)
    per_class: "dict[str, Tensor]" = field(default_factory=dict)


class Measure(Protocol):
    """One way to measure; a file of its own and a line in MEASURES."""

    @property
    def columns(self) -> dict[str, Column]:
        """Every column it gives, by name; what is not declared here is refused by the trial table."""
        ...

    @property
    def needs(self) -> Needs: ...

    def compute(self, evidence: Evidence) -> Measured: ...
