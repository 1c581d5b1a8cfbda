"""Settings of the trainable that one loss of a study alone has: an ablation in one study."""

from collections.abc import Container, Sequence
from typing import Any

from pydantic import ValidationError

from evenkeel.study.file.losses import LossEntry
from evenkeel.study.file.methods import MethodEntry
from evenkeel.trainables import trainable
from evenkeel.trainables.base import Trainable
from evenkeel.trainables.errors import nearest


def trainable_of(common: Trainable, entry: LossEntry | MethodEntry) -> Trainable:
    """The trainable as an entry has it. Raises pydantic's ValidationError for settings that it does not take."""
    settings = entry.settings if isinstance(entry, LossEntry) else {}
    return trainable(common.model_dump(mode="json") | settings) if settings else common


def settings_of(common: Trainable, entry: LossEntry | MethodEntry) -> dict[str, Any]:
    """The settings in which an entry departs from the study's, complete, as JSON has them."""
    own = trainable_of(common, entry)
    if own is common:
        return {}
    before, after = (kind.model_dump(mode="json") for kind in (common, own))
    return {name: value for name, value in after.items() if before[name] != value}


def check_own_settings(common: Trainable, losses: Sequence[LossEntry], varying: Container[str]) -> None:
    """Raises ValueError, which names the loss and the key, for a setting that is unknown, wrong or `varying`."""
    names = common.model_dump(mode="json")
    for loss in losses:
        place = f"losses: {loss.label}: settings"
        for name in loss.settings:
            if name not in names or name in ("name", "vary"):
                raise ValueError(f"{place}: the trainable has no setting {name!r}; {nearest(name, names)}")
            if name in varying or name in loss.setting():
                raise ValueError(f"{place}: {name!r} varies; leave it out of one of the two")
        try:
            trainable_of(common, loss)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            problem = f".{key}: {first['msg']}, got {first['input']!r}" if key else f": {first['msg']}"
            raise ValueError(f"{place}{problem}") from error
