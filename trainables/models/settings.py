"""What a study file says about a backbone."""

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.preprocessing import Preprocessing, hub_words, stated_beside
from evenkeel.trainables.models.remembered import remembered
from evenkeel.trainables.settings import PathText, Settings, at_home

HUB = ("hf-hub:", "hf_hub:")
"""How names of models begin that are looked up in a hub."""


class WarmStart(Settings):
    """Train the backbone with BCE on the train split before it is frozen."""

    epochs: int = Field(6, ge=1, le=1_000_000, description="of warm start")
    lr: float = Field(3e-3, gt=0, le=1000, description="largest learning rate of its cycle")
    batch: int = Field(64, ge=1, le=1_000_000, description="images a step")


class Backbone(Settings):
    """An image model by name, with pretrained, local, warm-started or random weights."""

    name: str = Field(description="of timm or open_clip")
    library: Literal["timm", "open_clip"] = Field("timm", description="where the name is looked up")
    pretrained: bool | str = Field(False, description="published weights: true, or a tag")
    weights: PathText | None = Field(None, description="a local safetensors or state-dict file")
    weights_part: str | None = Field(None, description="which copy, where a checkpoint keeps several, as `teacher`")
    model_args: dict[str, Any] = Field({}, description="arguments of the model's constructor")
    mean: list[float] | None = Field(None, description="of pixels in 0 to 1, a channel; the model's own if none")
    std: list[float] | None = Field(None, description="likewise")
    warm_start: WarmStart | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "Backbone":
        if self.pretrained and self.weights:
            raise ValueError("pretrained and weights exclude each other; give one")
        if self.weights_part and not self.weights:
            raise ValueError("weights_part: needs the weights of which it is a part")
        if self.std and min(self.std) <= 0:
            raise ValueError(f"std must be above 0 in each channel, got {self.std}")
        return self

    def stated(self, key: str = "trainable.backbone") -> Preprocessing | None:
        """What the file of weights, or one beside it, says of images that the study does not. Raises TrainableError."""
        if not self.weights or (self.mean and self.std):
            return None
        return stated_beside(self.weights_file(), key)

    def images_words(self, size: int) -> str:
        """What images become, in a line. Raises TrainableError for an unknown name, or where nothing says so."""
        if self.weights:
            return self._asked_words(size)
        return remembered([self.model_dump(mode="json"), size], lambda: self._asked_words(size))

    def _asked_words(self, size: int) -> str:
        from evenkeel.trainables.models.published import check_name, preprocessing

        check_name(self)
        stated = preprocessing(self)
        return stated.words(size) if stated else hub_words(size)

    def identity(self) -> dict[str, Any]:
        """The settings, with a weights file replaced by the hash of its contents, and with what is said beside it.

        Raises TrainableError.
        """
        settings = self.model_dump(mode="json", exclude=None if self.weights_part else {"weights_part"})
        if not self.weights:
            return settings
        stated = self.stated()
        values = {"mean": self.mean or list(stated.mean), "std": self.std or list(stated.std)} if stated else {}
        return settings | {"weights": content_hash(self.weights_file())} | values

    def origin(self) -> str:
        """Whose weights these are, for a report's header."""
        if self.weights:
            return file_words(self.weights)
        tag = f" {self.pretrained}" if isinstance(self.pretrained, str) else ""
        return f"published weights{tag}" if self.pretrained else "random weights"

    def weights_file(self) -> Path:
        """The local file of weights. Raises TrainableError when it is not there."""
        path = at_home(self.weights or "")
        if not path.is_file():
            raise TrainableError(
                f"trainable.backbone.weights: {path} does not exist; give a safetensors or state-dict file"
            )
        return path


def content_hash(path: Path) -> str:
    """16 hexadecimal digits of the SHA-256 of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def file_words(weights: str) -> str:
    """A file of weights by its name and, where it lies here, the hash of its contents."""
    path = at_home(weights)
    digits = f" (SHA-256 {content_hash(path)}…)" if path.is_file() else ""
    return f"weights {path.name}{digits}"


class Optimisation(Settings):
    """How the weights of a whole model move; names are timm's. A trainable's settings derive from it."""

    epochs: int = Field(10, ge=1, le=1_000_000, description="passes through the train rows")
    optimiser: str = Field("adamw", description="timm's name of it")
    optimiser_args: dict[str, Any] = Field({}, description="further arguments of the optimiser")
    lr: float = Field(1e-4, gt=0, le=1000, description="learning rate after the warm-up")
    weight_decay: float = Field(0.01, ge=0, le=1000, description="not of norms and biases")
    layer_decay: float | None = Field(None, gt=0, le=1, description="the rate of a layer over that of the one above")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="of the learning rate, step by step")
    warmup_epochs: int = Field(0, ge=0, le=1_000_000, description="epochs in which the rate rises from 0")
    min_lr: float = Field(0.0, ge=0, le=1000, description="learning rate at the end of the cosine")

    @model_validator(mode="after")
    def _some_epochs_at_lr(self) -> Self:
        if self.warmup_epochs and self.schedule == "constant":
            raise ValueError("warmup_epochs: a constant rate has no warm-up; give schedule: cosine, or leave it out")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs must be below epochs, got {self.warmup_epochs} of {self.epochs}: lr is never reached"
            )
        return self
