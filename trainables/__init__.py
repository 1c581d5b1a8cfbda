"""One trial: data, models, losses and measures, and the trainables that put them together.

This package runs without Ray and MLflow. Importing it does not import torch; its modules do.
"""

import os
from typing import Annotated, Any

from pydantic import Field

from evenkeel.trainables.base import Trainable
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.function.settings import Function
from evenkeel.trainables.function.signature import is_function
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.probe.settings import Probe
from evenkeel.trainables.prompt.settings import Prompt
from evenkeel.trainables.resources import user_name
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.settings import look_up, make_settings
from evenkeel.trainables.trial import Trial

__all__ = [
    "TRAINABLES",
    "AnyTrainable",
    "Trainable",
    "TrainableError",
    "Trial",
    "is_function",
    "takes_vary",
    "trainable",
]

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Read when torch is imported: a thread that waits for another sleeps. One that spins keeps the cores from the other
processes of a machine; two that computed features at the same time took many times as long as one after the other."""

os.environ.setdefault("LOGNAME", user_name())
"""torch, Ray and MLflow ask for the name of the user; for a number without one the answer is a KeyError."""

TRAINABLES: dict[str, type[Trainable]] = {
    "finetune": Finetune,
    "lm-clip": LmClip,
    "probe": Probe,
    "prompt": Prompt,
}

AnyTrainable = Annotated[Finetune | LmClip | Probe | Prompt, Field(discriminator="name")] | Function
"""What `trainable:` of a study file may hold, for the schema that editors read."""


def takes_vary(settings: dict[str, Any]) -> bool:
    """Whether the trainable that `settings["name"]` names has the key `vary`; an unknown one may."""
    try:
        kind = look_up("trainable", settings.get("name", "probe"), TRAINABLES)
    except (ValueError, TypeError, AttributeError):
        return True
    return isinstance(kind, type) and issubclass(kind, SeededSettings)


def trainable(settings: dict[str, Any]) -> Trainable:
    """The trainable that `settings["name"]` names, `probe` when left out: one of ours, a user's `module:Class`, or a
    training function, `file.py:function`.

    Raises ValueError (pydantic's ValidationError for a wrong key or value).
    """
    if isinstance(settings, dict):
        settings = {"name": "probe", **settings}
        if is_function(settings["name"]):
            return Function.model_validate(settings)
    return make_settings("trainable", settings, TRAINABLES)
