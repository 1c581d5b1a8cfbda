"""What a report knows of a study besides its trials. Frozen, from and to JSON; written by `study`, read by sections."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

MAX_NUMBER = 1e100
"""Of scores and margins: what is larger cannot be squared and summed."""
SHARED = 0.5
"""Variance of a bagged score over training sets, in the variance of its bootstraps: 1/2 where the score is an indicator
that could as well be otherwise (Bühlmann and Yu 2002), as F1, AP and AUC are means of indicators of images or of pairs;
1 where it is linear in the train rows, 0 for what initial weights and thresholds add. See benchmarks/coverage.py."""
SHARED_ALONE = 0.75
"""The same of a score on its own. What moves all settings alike drops out of a difference paired by seed."""


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

    @property
    def is_range(self) -> bool:
        """Whether a number has two ends in order, above zero where its logarithm is taken; always of a choice."""
        if self.kind == "choice":
            return True
        return self.low is not None and self.high is not None and (0 if self.log else -math.inf) < self.low <= self.high


@dataclass(frozen=True)
class RecipeFacts:
    """How a loss was trained, as far as papers print it; empty or 0 where nothing is said."""

    trainable: str = ""
    backbone: str = ""
    image_size: int = 0
    """Pixels of a side."""
    contrastive: bool = False
    """Whether a contrastive loss is part of the total."""
    sampling: bool = False
    """Whether rows are drawn by class weights."""


@dataclass(frozen=True)
class LossFacts:
    """One loss of the study: its name, what the study fixed, all defaults, and what could vary."""

    loss: str
    fixed: dict[str, Any]
    defaults: dict[str, Any]
    space: dict[str, ParameterFacts]
    levels: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """The levels that the sweep plans, by hyperparameter; a level without trials is named on the page."""
    coarse: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Of hyperparameters whose levels go finer where the curve falls the levels that run first."""
    unfilled: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Of these the planned levels that are not due: what a page shows is over the others."""
    published: dict[str, Any] = field(default_factory=dict)
    """What was published of the hyperparameters that the study fixes at another value."""
    recipe: RecipeFacts = RecipeFacts()


@dataclass(frozen=True)
class MeasureFacts:
    """One declared measurement: columns `<split>_<name>` and `<split>_<name>_<part>` for each of `parts`."""

    title: str
    better: str = "higher"
    splits: tuple[str, ...] = ("val", "test")
    parts: tuple[str, ...] = ()
    headline: bool = False
    """Whether the page can be switched to it."""
    labels: tuple[str, ...] = ()
    """Of the parts, `kind: level`, where their names say too little."""
    repeats: str = ""
    """The headline score that it is on other images, a part for each."""
    shared: float = SHARED
    """Variance of a mean difference over training sets, in the variance over bootstraps of one."""


@dataclass(frozen=True)
class DataFacts:
    """The data as the study splits it: classes, rows by split, class numbers by group, classes without positives."""

    name: str
    classes: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    undefined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    positives: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Positives of each class, by split."""
    floor: dict[str, float] = field(default_factory=dict)
    """Test score, by metric, of the best predictor that does not look at the image."""
    skipped: str = ""
    """Which rows were left out because their image cannot be had."""
    called: str = ""
    """What tells it from other data of the same name, as the folder of a table."""

    @property
    def title(self) -> str:
        """Its name, with what tells it from others of that name."""
        return f"{self.name} ({self.called})" if self.called else self.name

    @property
    def words(self) -> str:
        """Classes, rows and groups, as a header says them; the name alone of data that a function brings itself."""
        if not self.classes:
            return self.title
        rows = ", ".join(f"{num:,} {name}" for name, num in self.rows.items())
        skipped = f"; {self.skipped}" if self.skipped else ""
        groups = ", ".join(f"{len(members)} {name}" for name, members in self.groups.items())
        return f"{self.title}: {len(self.classes)} classes, {rows}{skipped} ({groups})"


@dataclass(frozen=True)
class StudyFacts:
    """The study as a whole.

    `margins` by metric, in the metric's unit; `trainable` are words for the header, in order; `planned` counts trials
    by loss and design; `losses` and `measures` stand in the order of the page.
    """

    name: str
    description: str
    metric: str
    margins: dict[str, float]
    reduction: str
    seeds: tuple[int, ...]
    fresh_seeds: tuple[int, ...]
    data: DataFacts
    trainable: dict[str, str]
    planned: dict[str, dict[str, int]]
    losses: dict[str, LossFacts]
    measures: dict[str, MeasureFacts]
    former_margins: tuple[dict[str, float], ...] = ()
    """Margins that the study was run with before they were changed."""
    former_seeds: tuple[int, ...] = ()
    """How many seeds the study was run with before it grew: each of these may have been looked at."""
    looks: tuple[int, ...] = ()
    """Numbers of seeds at which it is decided which levels get more; empty where all have the same seeds."""
    varied: tuple[str, ...] = ()
    """What differs from seed to seed; empty when a study of an earlier version did not say."""
    constant: tuple[str, ...] = ()
    """What could differ in a study, and is the same for all seeds of this one."""
    contrast: tuple[str, ...] = ()
    """Labels of the losses that the study contrasts; the others are drawn fainter. Empty: all alike."""
    chosen_by: str | None = None
    """The metric by which winners were chosen, when the page shows another."""
    beside: str | None = None
    """The second metric of a search that looks for settings that are good in two."""
    folds: int = 0
    """Into how many parts cross-validation cut the rows, where a seed is one of its folds; else 0."""

    def __deepcopy__(self, memo: object) -> Self:
        """pandas deep-copies what hangs on a frame with every operation; this never changes, so it is shared."""
        return self

    @property
    def margin(self) -> float:
        """The margin of the metric that is shown."""
        return self.margins[self.metric]

    @property
    def adaptive(self) -> bool:
        """Whether what is recorded decides which trials of the sweep are due: seeds, or finer levels."""
        return bool(self.looks) or any(loss.coarse for loss in self.losses.values())

    @property
    def num_first_seeds(self) -> int:
        """How many seeds every level that runs has at least."""
        return self.looks[0] if self.looks else len(self.seeds)

    @property
    def foreign(self) -> bool:
        """Whether evenkeel did not train these runs: how a loss was averaged, when a margin was fixed, is not known."""
        return not self.reduction

    @property
    def of_methods(self) -> bool:
        """Whether training functions (`train.py:train`) or others' runs are compared, and not losses."""
        return self.foreign or any(":" in facts.loss for facts in self.losses.values())

    @property
    def names(self) -> list[str]:
        """What the study itself names: entries, hyperparameters, metrics, classes."""
        parameters = [name for facts in self.losses.values() for name in facts.defaults]
        titles = [measure.title for measure in self.measures.values()]
        return [self.name, self.data.name, *self.losses, *parameters, *self.measures, *titles, *self.data.classes]

    @property
    def look(self) -> int:
        """How many times the study may have been looked at by now, this one included."""
        return 1 + len(self.former_seeds)

    @property
    def seeds_in_words(self) -> str:
        """`1 seed`, `10 seeds`, `6 to 20 seeds`."""
        least = f"{self.looks[0]} to " if self.looks else ""
        return f"{least}{len(self.seeds):,} seed{'' if len(self.seeds) == 1 else 's'}"

    @property
    def resampled(self) -> bool:
        """Whether each seed trains on rows of its own: a bootstrap of the train rows, or the other folds."""
        return bool(self.folds) or "train_rows" in self.varied

    @property
    def shared(self) -> float:
        """What of the variance over seeds another training set moves alike for all of them, of differences paired by
        seed of the metric that is shown; 0 where all train on the same. Of folds, test rows by train rows: Nadeau and
        Bengio 2003."""
        if self.folds:
            return 1 / (self.folds - 1)
        return self.resampled * (self.measures[self.metric].shared if self.metric in self.measures else SHARED)

    @property
    def shared_alone(self) -> float:
        """The same of scores on their own."""
        return self.shared if self.folds else self.resampled * SHARED_ALONE

    @property
    def floor(self) -> float:
        """The floor of the metric that is shown, NaN where unknown."""
        return self.data.floor.get(self.metric, float("nan"))

    @property
    def sign(self) -> int:
        """1 where a higher score is better in the metric that is shown, -1 where a lower one is.

        Statistics see the score times this sign, so that higher is better in all of them; a score itself is shown as it
        was measured, a difference as one of the turned scores, so that below 0 is worse.
        """
        return self.sign_of(self.metric)

    def sign_of(self, metric: str) -> int:
        """The sign of any metric; 1 for one that the study does not declare."""
        measure = self.measures.get(metric)
        return -1 if measure and measure.better == "lower" else 1

    @property
    def title(self) -> str:
        """The metric that is shown, in words."""
        return self.measures[self.metric].title

    @property
    def turned_title(self) -> str:
        """What differences are taken of, in words: the metric, or minus the metric where lower is better."""
        return self.title if self.sign > 0 else f"minus {self.title}"

    @property
    def headlines(self) -> list[str]:
        """The metrics that the page can be switched to."""
        return [name for name, measure in self.measures.items() if measure.headline]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def contradictions(self) -> Iterator[str]:
        """What names something that the facts do not have; without any, sections look nothing up in vain."""
        chosen = [name for name in (self.chosen_by, self.beside) if name is not None]
        repeated = [measure.repeats for measure in self.measures.values() if measure.repeats]
        for name in (self.metric, *chosen, *repeated):
            if name not in self.measures:
                yield f"no measure {name!r} is declared"
        for name in (self.metric, *self.headlines):
            if name not in self.margins:
                yield f"{name!r} has no margin"
        for name, margin in self.margins.items():
            if not 0 <= margin <= MAX_NUMBER:
                yield f"{name!r} has the margin {margin}"
        if list(self.looks) != sorted({look for look in self.looks if look > 0}):
            yield f"the looks are at {', '.join(map(str, self.looks))} seeds"
        for name, measure in self.measures.items():
            if measure.better not in ("higher", "lower"):
                yield f"of {name!r}, {measure.better!r} is better"
            if len(measure.labels) not in (0, len(measure.parts)):
                yield f"{name!r} has other labels than parts"
        for label, loss in self.losses.items():
            if unknown := sorted({*loss.space, *loss.levels} - loss.defaults.keys()):
                yield f"{label!r} has no default of {', '.join(unknown)}"
            for name, parameter in loss.space.items():
                if not parameter.is_range:
                    yield f"{label!r} has {name} from {parameter.low} to {parameter.high}"
