"""The unit of work: one loss setting trained once with one seed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

DESIGNS = ("sweep", "sobol", "search", "confirm")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One loss setting, one seed, one data set, one trainable.

    `hyperparameters` holds every field of the loss, defaults included, so that a changed default is another trial.
    `label` is the name under which the study shows the loss (a loss may enter twice, with other fixed fields).
    `group` is the seed group of a search (None elsewhere). `moved` is the hyperparameter that a sweep moved away from
    its default (None at the default and in other designs). `settings` are those of the trainable in which this trial
    departs from the study's.
    """

    loss: str
    hyperparameters: dict[str, Any]
    seed: int
    data: dict[str, Any]
    trainable: dict[str, Any]
    design: str
    label: str
    group: int | None = None
    moved: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> dict[str, Any]:
        """What of this trial may vary: its hyperparameters, and the settings in which it departs from the study's."""
        return self.hyperparameters | self.settings

    @property
    def id(self) -> str:
        """16 hexadecimal digits: a hash of all that decides the result, and of the design.

        The design counts because a searched point was chosen by its outcome: it must never stand in for a planned one.
        Label, group and moved are words only and do not count.
        """
        contents = asdict(self)
        for name in ("label", "group", "moved") + (() if self.settings else ("settings",)):
            del contents[name]
        canonical = json.dumps(contents, sort_keys=True, separators=(",", ":"), default=_refuse)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def shared_settings(trials: Sequence[Trial]) -> dict[str, Any]:
    """In which settings the trials of a pack depart from the study's. Raises ValueError unless they agree."""
    first, *others = ((trial.data, trial.trainable, trial.settings, trial.seed) for trial in trials)
    if any(other != first for other in others):
        raise ValueError("the trials of a pack must share data, trainable settings and seed")
    return trials[0].settings


def _refuse(value: object) -> str:
    raise TypeError(f"a trial holds numbers, strings, lists and None only, got {value!r}")
