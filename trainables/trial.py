"""The unit of work: one loss setting trained once with one seed."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

Design = Literal["sweep", "pair", "sobol", "search", "confirm"]
DESIGNS: tuple[Design, ...] = get_args(Design)

NUMBERS_VERSION = 2
"""Raised when the same settings give other numbers, so that trials of before are not mixed with those of today.

1: up to 0.2.0; 2: named random streams, the prior of `finetune` over labelled rows, rates that reach `lr` after their
warm-up.
"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One loss setting, one seed, one data set, one trainable.

    `loss` is the name of a loss, or `module:Class` of a user's own; `hyperparameters` holds every field of it, defaults
    included, so that a changed default is another trial. `data` and `trainable` are their identities: what decides a
    result, no paths.
    `label` is the name under which the study shows the loss (a loss may enter twice, with other fixed fields).
    `group` is the seed group of a search (None elsewhere). `moved` is the hyperparameter that a sweep moved away from
    its default, of a pair both (`a, b`; None at the default and in other designs). `proposal` numbers what a search
    proposed, from 0, in the order asked (None elsewhere). `settings` are those of the trainable in which this trial
    departs from the study's.
    `loss_source` is the fingerprint of a user's own loss, empty for ours.
    """

    loss: str
    hyperparameters: dict[str, Any]
    seed: int
    data: dict[str, Any]
    trainable: dict[str, Any]
    design: Design
    label: str
    group: int | None = None
    moved: str | None = None
    proposal: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    loss_source: str = ""

    @property
    def setting(self) -> dict[str, Any]:
        """What of this trial may vary: its hyperparameters, and the settings in which it departs from the study's."""
        return self.hyperparameters | self.settings

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits: a hash of all that decides the result, and of the design.

        The design counts because a searched point was chosen by its outcome: it must never stand in for a planned one.
        Label, group, moved and proposal are words only and do not count.
        """
        parts = [
            ("data", _shared_text(self.data)),
            ("design", _text(self.design)),
            ("hyperparameters", _shared_text(self.hyperparameters)),
            ("loss", _text(self.loss)),
            *([("loss_source", _text(self.loss_source))] if self.loss_source else []),
            ("seed", _text(self.seed)),
            *([("settings", _text(self.settings))] if self.settings else []),
            ("trainable", _shared_text(self.trainable)),
        ]
        canonical = "{" + ",".join(f'"{name}":{text}' for name, text in parts) + "}"
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def identity(self) -> str:
        """16 hexadecimal digits: a hash of data and trainable, which all trials of a study share."""
        return identity_of(self.data, self.trainable)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: whoever reads a trial works its id out again."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def versioned(identity: dict[str, Any]) -> dict[str, Any]:
    """A trainable's identity, and the version of the numbers that it gives here: what a trial's id holds of it."""
    return identity | {"numbers_version": NUMBERS_VERSION}


def identity_of(data: dict[str, Any], trainable: dict[str, Any]) -> str:
    """The `identity` of trials of these."""
    return hashlib.sha256(f"{_shared_text(data)} {_shared_text(trainable)}".encode()).hexdigest()[:16]


def shared_settings(trials: Sequence[Trial]) -> dict[str, Any]:
    """In which settings the trials of a pack depart from the study's. Raises ValueError unless they agree."""
    first, *later = ((trial.data, trial.trainable, trial.settings, trial.seed) for trial in trials)
    if any(trial_key != first for trial_key in later):
        raise ValueError("the trials of a pack must share data, trainable settings and seed")
    return trials[0].settings


def _refuse(value: object) -> str:
    raise TypeError(f"a trial holds numbers, strings, lists and None only, got {value!r}")


_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_refuse).encode
_TEXTS: OrderedDict[int, tuple[dict[str, Any], str]] = OrderedDict()
NUM_TEXTS = 64


def _shared_text(value: dict[str, Any]) -> str:
    """The text of a dictionary that many trials share, written once. The entry holds the dictionary, so that no other
    one can come to have its identity; a planner's dictionaries do not change."""
    cached = _TEXTS.get(id(value))
    if cached is not None and cached[0] is value:
        return cached[1]
    _TEXTS[id(value)] = (value, text := _text(value))
    if len(_TEXTS) > NUM_TEXTS:
        _TEXTS.popitem(last=False)
    return text
