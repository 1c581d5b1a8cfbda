"""A trainable that computes nothing: what is left is the cost of running trials at all.

A study names it as `trainable: {name: "benchmarks.instant:Instant"}`. Scores are a smooth function of hyperparameters
and seed, so that a search has something to find and every run must give the same table.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from evenkeel.trainables import Trial
from evenkeel.trainables.cache import made_once
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import ClassGroups
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.measures import ALWAYS, columns
from evenkeel.trainables.result import Result

FACTS = SplitFacts(
    name="none",
    classes=("a", "b"),
    groups={"head": (0,), "medium": (), "tail": (1,)},
    rows={"train": 80, "val": 20, "test": 20},
    positives={"train": (60, 20), "val": (15, 5), "test": (15, 5)},
    labels_per_image=(1, 2),
    undefined={"val": (), "test": ()},
)


class Instant(ClassGroups):
    """Takes `trial_s` seconds a trial, asleep; with a `spread` up to so many times as long, drawn by the trial's id."""

    gives: ClassVar = ("scores", "logits")
    name: str
    trial_s: float = Field(0, ge=0, description="seconds a trial sleeps")
    spread: float = Field(1, ge=1, description="how many times as long the longest trial takes as the shortest")

    def identity(self, data: DataSet) -> dict[str, Any]:
        return {"name": "instant"}

    def summary(self) -> dict[str, str]:
        return {"model": "none"}

    def prepared(self, data: DataSet, cache: Path) -> "Cached":
        return InstantWorker(self, ALWAYS).prepare(data, cache, "cpu")

    def worker(self, measures: tuple[str, ...] = ALWAYS) -> "InstantWorker":
        return InstantWorker(self, measures)


@dataclass(frozen=True)
class Cached:
    """What a node keeps: here one number."""

    shift: float

    def describe(self, seeds: list[int]) -> SplitFacts:
        return FACTS


@dataclass(frozen=True)
class InstantWorker:
    settings: Instant
    measures: tuple[str, ...]

    def prepare(self, data: DataSet, cache: Path, device: str) -> Cached:
        shift_file = made_once(cache / "instant.json", lambda path: path.write_text(json.dumps({"shift": 0.5})))
        return Cached(json.loads(shift_file.read_text())["shift"])

    def bytes_per_trial(self, prepared: Cached) -> int:
        return 0

    def run(self, trials: list[Trial], prepared: Cached, place: Path) -> Iterator[tuple[Trial, Result]]:
        for trial in trials:
            time.sleep(self.settings.trial_s * self.settings.spread ** (int(trial.id, 16) / 16**16))
            yield trial, self.result(trial, prepared)

    def result(self, trial: Trial, prepared: Cached) -> Result:
        """The same scores whenever and wherever it runs."""
        moved = [v for v in trial.setting.values() if isinstance(v, float)]
        score = prepared.shift + 0.3 * math.tanh(sum(moved) / 10) + 0.01 * math.sin(trial.seed)
        return Result("done", dict.fromkeys(_names(self.measures), score), epochs_done=1)


def _names(measures: tuple[str, ...]) -> list[str]:
    """The columns of the report's table for these measures."""
    return [
        f"{split}_{name}{part}"
        for name, column in columns(measures).items()
        for split in column.splits
        for part in ("", *(f"_{part}" for part in column.parts))
    ]
