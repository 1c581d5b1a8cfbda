"""One trial: data, models, losses and measures, and the trainables that put them together.

This package runs without Ray and MLflow. Importing it does not import torch; its modules do.
"""

from typing import Annotated, Any

from pydantic import Field

from trainables.base import Trainable
from trainables.errors import TrainableError
from trainables.finetune.settings import Finetune
from trainables.lm_clip.settings import LmClip
from trainables.probe.settings import Probe
from trainables.prompt.settings import Prompt
from trainables.settings import chosen
from trainables.trial import Trial

__all__ = ["TRAINABLES", "AnyTrainable", "Trainable", "TrainableError", "Trial", "trainable"]

TRAINABLES: dict[str, type[Trainable]] = {
    "finetune": Finetune,
    "lm-clip": LmClip,
    "probe": Probe,
    "prompt": Prompt,
}

AnyTrainable = Annotated[Finetune | LmClip | Probe | Prompt, Field(discriminator="name")]
"""What `trainable:` of a study file may hold, for the schema that editors read."""


def trainable(settings: dict[str, Any]) -> Trainable:
    """The trainable that `settings["name"]` names, `probe` when left out: one of ours, or a user's `module:Class`.

    Raises ValueError (pydantic's ValidationError for a wrong key or value).
    """
    if isinstance(settings, dict):
        settings = {"name": "probe", **settings}
    return chosen("trainable", settings, TRAINABLES)
